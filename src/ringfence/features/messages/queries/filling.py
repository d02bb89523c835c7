"""The text that a template becomes for one recipient."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from ringfence.features.audit_log.values import Actor
from ringfence.features.contacts import queries as contacts
from ringfence.features.conversations import queries as conversations
from ringfence.features.messages.queries import facts
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.templates import queries as templates
from ringfence.features.templates.values import check_variables, fields_of, parse, render
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A body, and the sender that it must go out from because it names it (else the one that was asked for)."""

    body: str = field(repr=False)
    from_number: str | None


async def fill_template(
    session: TenantSession,
    template_id: UUID,
    *,
    variables: Mapping[str, str],
    to_number: str,
    contact_id: UUID | None,
    from_number: str | None,
    media: int,
    actor: Actor,
) -> Filled:
    """Fill a template for a recipient: the contact given, else the one who has the number. Numbers are E.164.

    Raises NotFoundError for an unknown template or contact, UnresolvedFieldsError, InvalidInputError for a variable
    with a brace, UnknownSenderError.
    """
    parts = parse((await templates.get_template(session, template_id)).body)
    check_variables(variables)
    if contact_id is not None:
        contact = await contacts.get_contact(session, contact_id)
    else:
        contact = await contacts.find_by_number(session, to_number)
    if any(item.name == "sender.number" for item in fields_of(parts)):
        from_number = await _sender_number(session, to_number=to_number, requested=from_number, media=media)
    setting = templates.Setting(
        contact=contact,
        to_number=to_number,
        sender_name=actor.name if actor.kind == "user" else None,
        sender_number=from_number,
        variables=variables,
    )
    return Filled(body=render(parts, await templates.values_for(session, parts, setting)), from_number=from_number)


async def _sender_number(session: TenantSession, *, to_number: str, requested: str | None, media: int) -> str | None:
    """The number the text will go out from; where there is none, what was asked for, for the gate to refuse."""
    latest = await conversations.find_latest(session, outside_number=to_number)
    choice = await facts.choose_sender(
        session,
        to_number=to_number,
        conversation_number_id=latest.phone_number_id if latest else None,
        requested=requested,
        media=media,
    )
    return choice.phone_number if isinstance(choice, PhoneNumber) else requested

"""What each recipient of a bulk send would read: the text filled in, or why it cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ringfence.errors import InvalidInputError
from ringfence.features.bulk.model.sends import BulkSend
from ringfence.features.bulk.values.lists import Recipient
from ringfence.features.contacts import queries as contacts
from ringfence.features.contacts.model import Contact
from ringfence.features.messages.values import MOST_BODY_UNITS, body_units
from ringfence.features.templates import queries as templates
from ringfence.features.templates.values import Part, parse, render, usable
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One recipient's text; without a `body` there is none, for the reason given. `sender_id` is who it is from."""

    recipient: Recipient
    sender_id: UUID
    contact_id: UUID | None = None
    body: str | None = field(default=None, repr=False)
    code: str | None = None
    reason: str | None = None


async def compose(
    session: TenantSession, bulk: BulkSend, recipients: Sequence[tuple[Recipient, UUID]], numbers: Mapping[UUID, str]
) -> list[Letter]:
    """The letters of recipients with their senders, in their order; `numbers` are the senders' own."""
    parts = parse(bulk.body)
    company = await templates.company_values(session, parts)
    people = await contacts.people_at(session, [recipient.phone_number for recipient, _ in recipients])
    variables: dict[str, str] = {name: str(value) for name, value in bulk.variables.items()}
    letters: list[Letter] = []
    for recipient, sender_id in recipients:
        contact = people.get(recipient.phone_number)
        if recipient.contact_id is not None and contact is None:
            reason = "The contact has been deleted, or has another number now."
            letters.append(_none(recipient, sender_id, "contact_gone", reason))
            continue
        setting = templates.Setting(
            contact=contact,
            to_number=recipient.phone_number,
            sender_name=bulk.actor_name if bulk.actor_kind == "user" else None,
            sender_number=numbers[sender_id],
            variables=variables,
        )
        values = templates.values_of(parts, setting, company) | _own(recipient)
        letters.append(_letter(recipient, sender_id, contact, parts, values))
    return letters


def _letter(
    recipient: Recipient,
    sender_id: UUID,
    contact: Contact | None,
    parts: Sequence[Part],
    values: Mapping[str, str | None],
) -> Letter:
    try:
        body = render(parts, values)
    except InvalidInputError as error:
        return _none(recipient, sender_id, error.code, error.detail)
    units = body_units(body)
    if units > MOST_BODY_UNITS:
        reason = f"The text has {units} characters; {MOST_BODY_UNITS} is the most (an emoji counts as two)."
        return _none(recipient, sender_id, "body_too_long", reason)
    return Letter(recipient=recipient, sender_id=sender_id, contact_id=contact.id if contact else None, body=body)


def _own(recipient: Recipient) -> dict[str, str | None]:
    """What the list says of a recipient, which goes before everything else."""
    return {name: value for name, value in recipient.variables.items() if usable(value) is not None}


def _none(recipient: Recipient, sender_id: UUID, code: str, reason: str) -> Letter:
    return Letter(recipient=recipient, sender_id=sender_id, code=code, reason=reason)

"""A trial of a bulk send: the first recipient's text, to somebody else's phone."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from ringfence.features.audit_log.values import Actor
from ringfence.features.bulk.errors.sends import NothingToTestError
from ringfence.features.bulk.queries import sends
from ringfence.features.bulk.queries.composing import compose
from ringfence.features.messages.actions.sending import Draft, hand_in
from ringfence.features.messages.model import Message
from ringfence.tenancy.sessions import TenantSession

_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True)
class Trial:
    """The text that was handed in, and whose it would have been: the position on the list."""

    message: Message
    position: int


async def try_out(
    session: TenantSession, bulk_send_id: UUID, *, to_number: str, source: Literal["api", "console"], actor: Actor
) -> Trial:
    """Send the first recipient's text to an E.164 number, through the gate; it is no part of the bulk send.

    Raises NotFoundError, NothingToTestError, and what `hand_in` raises.
    """
    bulk = await sends.get_send(session, bulk_send_id)
    sender = (await sends.senders_of(session, bulk.id))[0]
    recipients = await sends.next_recipients(session, bulk, 0, _LOOKED_AT)
    letters = await compose(session, bulk, [(item, sender.id) for item in recipients], {sender.id: sender.phone_number})
    for letter in letters:
        if letter.body is not None:
            draft = Draft(
                to_number=to_number,
                body=letter.body,
                from_number=sender.phone_number,
                allow_duplicate=True,
                source=source,
            )
            return Trial(await hand_in(session, draft, actor=actor), letter.recipient.position)
    raise NothingToTestError

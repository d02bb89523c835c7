"""Sending a text again: a new text through the gate, never the old one a second time."""

from uuid import UUID

from ringfence.features.audit_log.values import Actor
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.actions.sending import Draft, hand_in, take_turns
from ringfence.features.messages.errors import NotRetryableError, RetriedError, UnderWayError
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries import facts
from ringfence.features.messages.queries.messages import find_retry, get_message
from ringfence.features.messages.values import RETRYABLE, WAITING
from ringfence.tenancy.sessions import TenantSession

# The old sender is what was wrong with these: choose anew.
_SENDER_WAS_WRONG = frozenset({"no_sender", "sender_inactive", "sender_incapable"})


async def retry_message(
    session: TenantSession, viewer: Viewer, message_id: UUID, *, from_number: str | None, actor: Actor
) -> Message:
    """Hand in a text again that did not arrive (or nobody knows whether it did); the new text.

    Raises NotFoundError, UnderWayError while its outcome is open, NotRetryableError for any other status, RetriedError
    when it was sent again already, and what `hand_in` raises.
    """
    message = await get_message(session, viewer, message_id)
    if message.status in WAITING or message.status == "sending":
        raise UnderWayError
    if message.direction != "outbound" or message.status not in RETRYABLE:
        raise NotRetryableError(message.status)
    attached = await facts.addresses(session, [message.id])
    if from_number is None and message.refusal_code not in _SENDER_WAS_WRONG:
        from_number = message.from_number
    draft = Draft(
        to_number=message.to_number,
        body=message.body,
        media_urls=attached.get(message.id, ()),
        from_number=from_number,
        source="retry",
        retry_of=message.id,
        template_id=message.template_id,
    )
    await take_turns(session, message.to_number)
    earlier = await find_retry(session, message)
    if earlier is not None:
        raise RetriedError(earlier)
    return await hand_in(session, draft, actor=actor, viewer=viewer)

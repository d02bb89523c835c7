"""A recipient's answer takes back what waits for it."""

from sqlalchemy import select, update

from ringfence.features.events.actions import emit
from ringfence.features.messages.actions.receiving import Received
from ringfence.features.scheduling.model import ScheduledText
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def cancel_answered(session: TenantSession, received: Received) -> None:
    """Cancel the texts to this number that were to go out only without an answer; in the inbound text's transaction.

    One that is in somebody's hands just now is passed over: when its time comes, the answer is looked for once more.
    """
    company = session.company_id
    waiting = (
        select(ScheduledText.id)
        .where(
            ScheduledText.company_id == company,
            ScheduledText.to_number == received.outside_number,
            ScheduledText.status == "pending",
            ScheduledText.cancel_if_reply,
            ScheduledText.from_number.is_(None) | (ScheduledText.from_number == received.our_number),
        )
        .with_for_update(skip_locked=True)
    )
    ids = (await session.scalars(waiting)).all()
    if not ids:
        return
    now = utc_now()
    await session.execute(
        update(ScheduledText)
        .where(ScheduledText.company_id == company, ScheduledText.id.in_(ids))
        .values(
            status="canceled",
            code="replied",
            reason="The recipient texted before its time.",
            updated_at=now,
            settled_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    for scheduled_id in ids:
        emit(session, kind="scheduled.changed", subject_id=scheduled_id, conversation_id=received.conversation_id)

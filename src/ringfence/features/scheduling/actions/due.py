"""What becomes of a scheduled text when its time has come: exactly one text, or a reason why not.

Row lock, text and the row's new state are one transaction: however many workers run, and wherever one dies, a row
that is still pending has become nothing yet, and one that is `sent` has become its one text.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update

from ringfence.errors import InvalidInputError, NotFoundError, RefusedError
from ringfence.features.companies import queries as companies
from ringfence.features.contacts import queries as contacts
from ringfence.features.messages.actions.sending import hand_in
from ringfence.features.scheduling import queries
from ringfence.features.scheduling.actions.drafting import actor_of, draft_of, filled
from ringfence.features.scheduling.actions.writing import settle, tell
from ringfence.features.scheduling.model import ScheduledText, ScheduleDue
from ringfence.features.templates import queries as templates
from ringfence.kit.clock import utc_now
from ringfence.tenancy.sessions import TenantSession


async def send_due(session: TenantSession, scheduled_id: UUID) -> None:
    """Deal with one text whose time has come, unless somebody else does."""
    now = utc_now()
    scheduled = await queries.take_due(session, scheduled_id, now=now)
    if scheduled is None:
        return
    rules = await companies.texting_rules(session)
    if scheduled.due_at + timedelta(minutes=rules.schedule_late_minutes) < now:
        reason = f"Its time had passed by more than {rules.schedule_late_minutes} minutes."
        settle(scheduled, "expired", code="late", reason=reason)
    elif scheduled.cancel_if_reply and await queries.has_replied(session, scheduled):
        settle(scheduled, "canceled", code="replied", reason="The recipient texted before its time.")
    else:
        await send(session, scheduled)
        return
    await tell(session, scheduled)
    await session.flush()


async def send(session: TenantSession, scheduled: ScheduledText) -> None:
    """Hand in a pending text that the session has locked. What is in its way ends it as failed, with the reason.

    Sender, contact and template must be the company's, and alive, now.
    """
    await _send(session, scheduled)
    await tell(session, scheduled)
    await session.flush()


async def _send(session: TenantSession, scheduled: ScheduledText) -> None:
    gone = await _gone(session, scheduled)
    if gone is not None:
        settle(scheduled, "failed", code=f"{gone}_gone", reason=f"Its {gone} has been deleted.")
        return
    try:
        draft = await filled(session, scheduled, draft_of(scheduled))
        message = await hand_in(session, draft, actor=actor_of(scheduled))
    except (InvalidInputError, RefusedError) as error:
        settle(scheduled, "failed", code=error.code, reason=error.detail)
        return
    scheduled.message_id = message.id
    if message.status == "refused":
        settle(scheduled, "failed", code=message.refusal_code, reason=message.reason)
    else:
        settle(scheduled, "sent")


async def look_again(session: TenantSession) -> None:
    """Set when the company is to be looked at next.

    The lock comes first: whoever schedules meanwhile waits for it, and everything committed before it is seen.
    """
    company = session.company_id
    await session.execute(select(ScheduleDue.next_due).where(ScheduleDue.company_id == company).with_for_update())
    next_due: datetime | None = await queries.next_due(session)
    if next_due is None:
        await session.execute(delete(ScheduleDue).where(ScheduleDue.company_id == company))
    else:
        await session.execute(update(ScheduleDue).where(ScheduleDue.company_id == company).values(next_due=next_due))


async def _gone(session: TenantSession, scheduled: ScheduledText) -> str | None:
    """Which thing of the company's that the text needs has been deleted, or None."""
    try:
        if scheduled.contact_id is not None:
            await contacts.get_contact(session, scheduled.contact_id)
    except NotFoundError:
        return "contact"
    try:
        if scheduled.template_id is not None:
            await templates.get_template(session, scheduled.template_id)
    except NotFoundError:
        return "template"
    return None

"""Conversations of somebody who is not there any more become nobody's, so that the others see them."""

from uuid import UUID

from sqlalchemy import select, update

from ringfence.features.conversations.model import Conversation
from ringfence.features.events.actions import emit
from ringfence.features.users import queries as users
from ringfence.tenancy.sessions import TenantSession

_BATCH = 200


async def release_some(session: TenantSession, user_id: UUID) -> bool:
    """Take a suspended person's next conversations from them; whether there may be more.

    Somebody who is active again by now keeps what is left. A conversation that is just being changed waits for it.
    """
    user = await users.user_or_none(session, user_id)
    if user is None or user.status == "active":
        return False
    company = session.company_id
    theirs = (
        select(Conversation.id)
        .where(Conversation.company_id == company, Conversation.assigned_to == user_id)
        .order_by(Conversation.id)
        .limit(_BATCH)
        .with_for_update()
    )
    ids = (await session.scalars(theirs)).all()
    await session.execute(
        update(Conversation)
        .where(Conversation.company_id == company, Conversation.id.in_(ids), Conversation.assigned_to == user_id)
        .values(assigned_to=None)
        .execution_options(synchronize_session=False)
    )
    for conversation_id in ids:
        emit(session, kind="conversation.changed", subject_id=conversation_id, conversation_id=conversation_id)
    await session.flush()
    return len(ids) == _BATCH

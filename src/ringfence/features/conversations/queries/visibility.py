"""Who may see which conversations: one rule, as a clause for every statement that shows something of them.

A company lets its agents see all conversations, or their own and those of nobody. `visible_to` is the rule for the
conversations themselves; the other two carry it to what belongs to a conversation, by its id or by its two numbers.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, true
from sqlalchemy.orm import aliased

from ringfence.features.companies.model import CompanySettings
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.values import Viewer
from ringfence.tenancy.sessions import TenantSession


async def viewer_for(session: TenantSession, *, user_id: UUID | None, manages: bool) -> Viewer:
    """What a person (None: an API key) sees now: everything who `manages`, the rest what the company's rule allows."""
    if manages:
        return Viewer(user_id=user_id, sees_all=True)
    rule = await session.scalar(
        select(CompanySettings.agents_see).where(CompanySettings.company_id == session.company_id)
    )
    return Viewer(user_id=user_id, sees_all=rule != "own_and_unassigned")


def visible_to(viewer: Viewer, thread: Any = Conversation) -> ColumnElement[bool]:
    """The rule, for a statement that reads conversations; `thread` is their alias, if they have one."""
    return true() if viewer.sees_all else ~_hidden(viewer, thread)


def in_visible_thread(session: TenantSession, viewer: Viewer, conversation_id: Any) -> ColumnElement[bool]:
    """The rule for what names its conversation; what belongs to none is seen by all."""
    if viewer.sees_all:
        return true()
    thread = aliased(Conversation)
    return ~exists().where(
        thread.company_id == session.company_id, thread.id == conversation_id, _hidden(viewer, thread)
    )


def visible_between(
    session: TenantSession, viewer: Viewer, *, outside_number: Any, phone_number_id: Any = None
) -> ColumnElement[bool]:
    """The rule for what has the two numbers of a conversation; without our number any of the outside one's counts."""
    if viewer.sees_all:
        return true()
    thread = aliased(Conversation)
    same = and_(thread.company_id == session.company_id, thread.outside_number == outside_number)
    if phone_number_id is not None:
        same = and_(same, or_(phone_number_id.is_(None), thread.phone_number_id == phone_number_id))
    return ~exists().where(same, _hidden(viewer, thread))


def _hidden(viewer: Viewer, thread: Any) -> ColumnElement[bool]:
    return and_(thread.assigned_to.is_not(None), thread.assigned_to.is_distinct_from(viewer.user_id))

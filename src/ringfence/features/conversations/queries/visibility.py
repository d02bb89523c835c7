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


def visible_to(viewer: Viewer, *, with_deleted: bool = False) -> ColumnElement[bool]:
    """The rule, for a statement that reads conversations. A deleted one is seen by nobody who does not ask for it."""
    seen = true() if viewer.sees_all else ~_hidden(viewer, Conversation)
    return seen if with_deleted else and_(seen, Conversation.deleted_at.is_(None))


def in_visible_thread(session: TenantSession, viewer: Viewer, conversation_id: Any) -> ColumnElement[bool]:
    """The rule for what names its conversation; what belongs to none is seen by all."""
    thread = aliased(Conversation)
    out_of_sight = thread.deleted_at.is_not(None)
    if not viewer.sees_all:
        out_of_sight = or_(out_of_sight, _hidden(viewer, thread))
    return ~exists().where(thread.company_id == session.company_id, thread.id == conversation_id, out_of_sight)


def visible_between(
    session: TenantSession, viewer: Viewer, *, outside_number: Any, phone_number_id: Any = None
) -> ColumnElement[bool]:
    """The rule for what has the two numbers of a conversation; without our number any of the outside one's counts.

    Calls and scheduled texts have lists of their own, and stay there when a conversation is deleted.
    """
    if viewer.sees_all:
        return true()
    thread = aliased(Conversation)
    same = and_(thread.company_id == session.company_id, thread.outside_number == outside_number)
    if phone_number_id is not None:
        same = and_(same, or_(phone_number_id.is_(None), thread.phone_number_id == phone_number_id))
    return ~exists().where(same, _hidden(viewer, thread))


def _hidden(viewer: Viewer, thread: Any) -> ColumnElement[bool]:
    return and_(thread.assigned_to.is_not(None), thread.assigned_to.is_distinct_from(viewer.user_id))

"""The inbox: pages of conversations by their latest text, and how many stand under each tab.

Every page is a few scans of an index in its order, one for each state (and owner) asked for, each of them cut off after
a page. What no index holds (unread of one person, a tag that very many have) is looked for among the next
`_LOOKED_THROUGH` conversations only, so a page may be short, or even empty, and still have a next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, exists, func, or_, select, tuple_, union_all

from ringfence.features.contacts import queries as contacts
from ringfence.features.contacts.model import Contact, ContactTag
from ringfence.features.conversations.model import Conversation, ConversationRead
from ringfence.features.conversations.queries.threads import Thread, own_mark, thread_of, threads, unread
from ringfence.features.conversations.queries.visibility import visible_to
from ringfence.features.conversations.values import COUNTED_UP_TO, STATES, State, Viewer
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.paging import Position

_LOOKED_THROUGH: Final = 1000
_MOST_CONTACTS: Final = 500
# No person has this id: an API key that asks for its own conversations finds none.
_NOBODY: Final = UUID(int=0)

Assigned = Literal["me", "nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of conversations shows; None shows all. `assigned` may name a person; `tag` is a tidy one.

    `search` finds the beginning of the contact's name or organisation, or any part of the outside number.
    """

    state: State | None = None
    assigned: Assigned | UUID | None = None
    unread: bool | None = None
    phone_number_id: UUID | None = None
    tag: str | None = None
    search: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Up to limit + 1 conversations; `looked_to` is where the search went on to if it has not come to the end."""

    threads: Sequence[Thread]
    looked_to: Position | None


async def list_threads(
    session: TenantSession, viewer: Viewer, *, filters: Filters, after: Position | None, limit: int
) -> Found:
    """Conversations, the latest text first: up to limit + 1 after a position."""
    conditions, numbers = _conditions(session, viewer, filters, after), _Numbers(None, None)
    if filters.search or filters.tag is not None:
        numbers = await _numbers(session, filters)
    narrowed = [] if numbers.probe is None else [numbers.probe]
    if filters.unread is not None:
        narrowed.append(unread(session, viewer) if filters.unread else ~unread(session, viewer))
    through = _LOOKED_THROUGH if narrowed else limit + 1
    if numbers.among is not None:
        keys = _newest(session, [*conditions, numbers.among], through).subquery()
    elif filters.deleted:
        keys = _newest(session, conditions, through).subquery()
    else:
        keys = _merged(session, viewer, filters, conditions, through)
    hits = _narrowed(session, viewer, keys, narrowed, limit + 1) if narrowed else keys
    query = (
        threads(session, viewer)
        .join(hits, hits.c.id == Conversation.id)
        .where(visible_to(viewer, with_deleted=filters.deleted))
        .order_by(Conversation.last_message_at.desc(), Conversation.id.desc())
    )
    found = [thread_of(row) for row in await session.execute(query)]
    if len(found) > limit or not narrowed:
        return Found(found, None)
    last = (
        select(keys.c.last_message_at, keys.c.id)
        .order_by(keys.c.last_message_at.desc(), keys.c.id.desc())
        .offset(_LOOKED_THROUGH - 1)
        .limit(1)
    )
    row = (await session.execute(last)).first()
    return Found(found, None if row is None else Position(row.last_message_at, row.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Conversations under each tab, counted up to COUNTED_UP_TO. All but the last two are open ones."""

    open: int
    mine: int
    unassigned: int
    unread: int
    snoozed: int
    done: int


async def count_threads(session: TenantSession, viewer: Viewer) -> Counts:
    """How many conversations stand under each tab; unread ones among the latest `_LOOKED_THROUGH` open ones."""
    tabs: dict[str, Filters] = {
        "open": Filters(state="open"),
        "mine": Filters(state="open", assigned="me"),
        "unassigned": Filters(state="open", assigned="nobody"),
        "snoozed": Filters(state="snoozed"),
        "done": Filters(state="done"),
    }
    counted: list[ColumnElement[int]] = []
    for name, filters in tabs.items():
        keys = _merged(session, viewer, filters, _conditions(session, viewer, filters, None), COUNTED_UP_TO)
        counted.append(select(func.least(func.count(), COUNTED_UP_TO)).select_from(keys).scalar_subquery().label(name))
    opened = Filters(state="open")
    keys = _merged(session, viewer, opened, _conditions(session, viewer, opened, None), _LOOKED_THROUGH)
    waiting = _narrowed(session, viewer, keys, [unread(session, viewer)], COUNTED_UP_TO)
    counted.append(select(func.count()).select_from(waiting).scalar_subquery().label("unread"))
    row = (await session.execute(select(*counted))).one()
    return Counts(**{name: int(getattr(row, name)) for name in (*tabs, "unread")})


def _conditions(
    session: TenantSession, viewer: Viewer, filters: Filters, after: Position | None
) -> list[ColumnElement[bool]]:
    conditions = [
        Conversation.company_id == session.company_id,
        visible_to(viewer, with_deleted=filters.deleted),
        Conversation.deleted_at.is_not(None) if filters.deleted else Conversation.deleted_at.is_(None),
    ]
    if filters.deleted or filters.search or filters.tag is not None:
        # Not one of the merged scans, which say these themselves.
        conditions += _owner(viewer, filters.assigned)
        conditions += [] if filters.state is None else [Conversation.state == filters.state]
    if filters.phone_number_id is not None:
        conditions.append(Conversation.phone_number_id == filters.phone_number_id)
    if after is not None:
        conditions.append(tuple_(Conversation.last_message_at, Conversation.id) < (after.at, after.id))
    return conditions


def _owner(viewer: Viewer, assigned: Assigned | UUID | None) -> list[ColumnElement[bool]]:
    if assigned is None:
        return []
    if assigned == "nobody":
        return [Conversation.assigned_to.is_(None)]
    return [Conversation.assigned_to == ((viewer.user_id or _NOBODY) if assigned == "me" else assigned)]


def _merged(
    session: TenantSession, viewer: Viewer, filters: Filters, conditions: Sequence[ColumnElement[bool]], limit: int
) -> Subquery:
    """The keys of the newest conversations over all the scans that the filters ask for."""
    states = STATES if filters.state is None else (filters.state,)
    owners: Sequence[Assigned | UUID | None] = (filters.assigned,)
    if filters.assigned is None and not viewer.sees_all:
        # "Mine or nobody's" in one condition would be no index's order.
        owners = ("nobody",) if viewer.user_id is None else ("nobody", "me")
    scans = [
        _newest(session, [*conditions, Conversation.state == state, *_owner(viewer, owner)], limit).subquery()
        for state in states
        for owner in owners
    ]
    every = union_all(*(select(scan.c.id, scan.c.last_message_at) for scan in scans)).subquery()
    newest = select(every.c.id, every.c.last_message_at)
    return newest.order_by(every.c.last_message_at.desc(), every.c.id.desc()).limit(limit).subquery()


def _narrowed(
    session: TenantSession, viewer: Viewer, keys: Subquery, conditions: Sequence[ColumnElement[bool]], limit: int
) -> Subquery:
    """Those of many conversations that fulfil what no index holds; without the joins that only showing them needs."""
    return (
        select(Conversation.id, Conversation.last_message_at)
        .join(keys, keys.c.id == Conversation.id)
        .join(ConversationRead, own_mark(viewer), isouter=True)
        .where(Conversation.company_id == session.company_id, *conditions)
        .order_by(Conversation.last_message_at.desc(), Conversation.id.desc())
        .limit(limit)
        .subquery()
    )


def _newest(session: TenantSession, conditions: Sequence[ColumnElement[bool]], limit: int) -> Select[UUID, datetime]:
    return (
        select(Conversation.id, Conversation.last_message_at)
        .where(Conversation.company_id == session.company_id, *conditions)
        .order_by(Conversation.last_message_at.desc(), Conversation.id.desc())
        .limit(limit)
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Which outside numbers a search or tag means: few enough to look up, or to be asked of each conversation."""

    among: ColumnElement[bool] | None
    probe: ColumnElement[bool] | None


async def _numbers(session: TenantSession, filters: Filters) -> _Numbers:
    """Searching finds numbers first. A tag that few have does too; a common one is asked of each conversation."""
    tagged = None
    if filters.tag is not None:
        tagged = await contacts.numbers_tagged(session, filters.tag, limit=_MOST_CONTACTS)
    has_tag = None
    if filters.tag is not None:
        has_tag = exists().where(
            Contact.company_id == session.company_id,
            Contact.id == contacts.reached_at(session, Conversation.outside_number, Conversation),
            Contact.deleted_at.is_(None),
            ContactTag.company_id == session.company_id,
            ContactTag.contact_id == Contact.id,
            ContactTag.tag == filters.tag,
        )
    if filters.search:
        found = await contacts.numbers_found(session, filters.search, limit=_MOST_CONTACTS)
        among: ColumnElement[bool] = Conversation.outside_number.in_(found)
        digits = contacts.digits_of(filters.search)
        if len(digits) >= 3:
            among = or_(among, Conversation.outside_number.contains(digits, autoescape=True))
        return _Numbers(among if has_tag is None else and_(among, has_tag), None)
    if tagged is not None:
        return _Numbers(Conversation.outside_number.in_(tagged), None)
    return _Numbers(None, has_tag)

"""`/api/users`: colleagues by name for everybody, the rest for company admins."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.errors import ForbiddenError, InvalidInputError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.users import actions, queries
from ringfence.features.users.model import User
from ringfence.features.users.schemas import ChangePhone, ChangeUser, UserAnswer
from ringfence.kit.keyring import Keyring
from ringfence.kit.phone import InvalidPhoneNumberError, parse_phone
from ringfence.web.caller import Caller, Level, OwnAdmin, Reader, TenantDB, refuse_visitor
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/users", tags=["users"])


@router.get("")
async def list_users(
    request: Request, caller: Reader, session: TenantDB, limit: PageLimit = DEFAULT_PAGE, cursor: PageCursor = None
) -> Page[UserAnswer]:
    """The company's people, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "users")
    users = await queries.list_users(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(users, limit, lambda user: Position(user.created_at, user.id))
    return Page(items=[_shown(caller, user) for user in page], next_cursor=next_cursor)


@router.patch("/{user_id}")
async def change_user(caller: OwnAdmin, session: TenantDB, user_id: UUID, body: ChangeUser) -> UserAnswer:
    """Change a person's name, role or status. The last active admin keeps both role and status."""
    user = await queries.user(session, user_id)
    await actions.change_user(
        session, actor=actor_of(caller), user=user, name=body.name, role=body.role, status=body.status
    )
    return UserAnswer.of(user)


@router.put("/{user_id}/phone")
async def set_phone(caller: Reader, session: TenantDB, user_id: UUID, body: ChangePhone) -> UserAnswer:
    """Set the telephone that rings for a person's calls: one's own, anybody's for company admins."""
    refuse_visitor(caller)
    if caller.level < Level.ADMIN and caller.user_id != user_id:
        raise ForbiddenError
    user = await queries.user(session, user_id)
    phone = None if body.phone is None else _read(body.phone, region=await default_region(session))
    await actions.set_phone(session, actor=actor_of(caller), user=user, phone=phone)
    return UserAnswer.of(user)


def _shown(caller: Caller, user: User) -> UserAnswer:
    if caller.level >= Level.ADMIN or caller.user_id == user.id:
        return UserAnswer.of(user)
    return UserAnswer.model_validate({"id": user.id, "name": user.name, "role": user.role})


def _read(text: str, *, region: str) -> str:
    try:
        return parse_phone(text, region=region)
    except InvalidPhoneNumberError as error:
        raise InvalidInputError("invalid_number", f"This is {error}.") from None

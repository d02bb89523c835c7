"""`/api/api-keys`: keys for other programs. Only company admins make them, so none is above its maker's level."""

from uuid import UUID

from fastapi import APIRouter, Request

from ringfence.features.audit_log.values import actor_of
from ringfence.features.users import actions, queries
from ringfence.features.users.schemas import APIKeyAnswer, CreateAPIKey, NewAPIKeyAnswer
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Admin, OwnAdmin, TenantDB
from ringfence.web.paging import DEFAULT_PAGE, Cursors, Position
from ringfence.web.schemas import Page, PageCursor, PageLimit
from ringfence.web.services import service

router = APIRouter(prefix="/api/api-keys", tags=["API keys"])


@router.get("")
async def list_api_keys(
    request: Request, caller: Admin, session: TenantDB, limit: PageLimit = DEFAULT_PAGE, cursor: PageCursor = None
) -> Page[APIKeyAnswer]:
    """The company's keys, revoked ones too, newest first."""
    cursors = Cursors(service(request, Keyring), caller.company_id, "api-keys")
    keys = await queries.list_api_keys(session, after=cursors.read(cursor), limit=limit)
    page, next_cursor = cursors.page(keys, limit, lambda key: Position(key.created_at, key.id))
    return Page(items=[APIKeyAnswer.of(key) for key in page], next_cursor=next_cursor)


@router.post("", status_code=201)
async def create_api_key(caller: OwnAdmin, session: TenantDB, body: CreateAPIKey) -> NewAPIKeyAnswer:
    """Make a key. This answer is the only place where it is ever shown."""
    row, key = await actions.create_api_key(session, actor=actor_of(caller), name=body.name, scope=body.scope)
    return NewAPIKeyAnswer(**APIKeyAnswer.of(row).model_dump(), key=key)


@router.delete("/{key_id}", status_code=204)
async def revoke_api_key(caller: OwnAdmin, session: TenantDB, key_id: UUID) -> None:
    """End a key from the next request on."""
    await actions.revoke_api_key(session, actor=actor_of(caller), key_id=key_id)

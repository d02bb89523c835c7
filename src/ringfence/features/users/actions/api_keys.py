"""API keys: shown once, stored as hashes, noted when used."""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import DBAPIError

from ringfence.errors import NotFoundError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.users.model import APIKey, DirectoryAPIKey
from ringfence.features.users.values import KEY_PREFIX, Scope
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.secret import new_token, token_hash
from ringfence.tenancy.sessions import TenantSession

USE_NOTED_EVERY = timedelta(minutes=1)

log = structlog.get_logger()


async def create_api_key(session: TenantSession, *, actor: Actor, name: str, scope: Scope) -> tuple[APIKey, str]:
    """Make a key of the company. The second value is the key itself: it is stored nowhere and shown once.

    A key belongs to the company and outlives its maker, so that an integration does not stop when a person leaves.
    """
    key = new_token(KEY_PREFIX)
    row = APIKey(
        id=new_id(), name=name, scope=scope, last_four=key[-4:], created_by=actor.user_id, created_at=utc_now()
    )
    session.add(row)
    await session.flush()
    session.add(DirectoryAPIKey(key_hash=token_hash(key), api_key_id=row.id))
    record(
        session,
        actor=actor,
        action="api_key.created",
        target_kind="api_key",
        target_id=row.id,
        after={"name": name, "scope": scope, "key_last_four": row.last_four},
    )
    await session.flush()
    return row, key


async def revoke_api_key(session: TenantSession, *, actor: Actor, key_id: UUID) -> None:
    """End a key from the next request on; revoking it again changes nothing. Raises NotFoundError."""
    row = await session.scalar(
        select(APIKey).where(APIKey.company_id == session.company_id, APIKey.id == key_id).with_for_update()
    )
    if row is None:
        raise NotFoundError
    if row.revoked_at is not None:
        return
    row.revoked_at = utc_now()
    await session.execute(
        delete(DirectoryAPIKey).where(
            DirectoryAPIKey.company_id == session.company_id, DirectoryAPIKey.api_key_id == key_id
        )
    )
    record(
        session,
        actor=actor,
        action="api_key.revoked",
        target_kind="api_key",
        target_id=row.id,
        before={"name": row.name, "scope": row.scope, "key_last_four": row.last_four},
    )
    await session.flush()


def is_use_worth_noting(key: APIKey) -> bool:
    """Whether a key's last noted use is over a minute old."""
    return key.last_used_at is None or key.last_used_at <= utc_now() - USE_NOTED_EVERY


async def note_api_key_use(session: TenantSession, *, key_id: UUID) -> None:
    """Write down that a key is in use. A request never waits or fails for it."""
    now = utc_now()
    # Whoever holds the row is noting the same use: skip it rather than wait.
    free = (
        select(APIKey.id)
        .where(
            APIKey.company_id == session.company_id,
            APIKey.id == key_id,
            or_(APIKey.last_used_at.is_(None), APIKey.last_used_at <= now - USE_NOTED_EVERY),
        )
        .with_for_update(skip_locked=True)
    )
    noted = update(APIKey).where(APIKey.company_id == session.company_id, APIKey.id.in_(free))
    try:
        await session.execute(noted.values(last_used_at=now), execution_options={"synchronize_session": False})
    except DBAPIError as error:
        log.warning("api_key.use_not_noted", error=type(error.orig).__name__)
        await session.rollback()

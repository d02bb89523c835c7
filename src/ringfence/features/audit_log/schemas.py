"""Answers of the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ringfence.web.schemas import Answer


class AuditEntryAnswer(Answer):
    """One act, as company admins read it."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    action: str
    target_kind: str
    target_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    address: str | None

"""Who acts, how entries become a chain, and what a list of them may be narrowed to."""

from ringfence.features.audit_log.values.actors import (
    COMMAND_LINE,
    SYSTEM,
    Actor,
    ActorKind,
    CompanyRequester,
    Requester,
    actor_of,
    platform_actor_of,
)
from ringfence.features.audit_log.values.chain import (
    ENTRY_FIELDS,
    LATE,
    START,
    BrokenLink,
    ChainReport,
    Head,
    SealAuditLog,
    entry_digest,
    link_digest,
)
from ringfence.features.audit_log.values.filters import Filters

__all__ = [
    "COMMAND_LINE",
    "ENTRY_FIELDS",
    "LATE",
    "START",
    "SYSTEM",
    "Actor",
    "ActorKind",
    "BrokenLink",
    "ChainReport",
    "CompanyRequester",
    "Filters",
    "Head",
    "Requester",
    "SealAuditLog",
    "actor_of",
    "entry_digest",
    "link_digest",
    "platform_actor_of",
]

"""Writing down who took the figures out."""

from ringfence.features.analytics.values import By, Days
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.tenancy.sessions import TenantSession


def note_export(session: TenantSession, *, actor: Actor, days: Days, by: By) -> None:
    """An entry of the audit log about an export."""
    record(
        session,
        actor=actor,
        action="analytics.exported",
        target_kind="analytics",
        target_id=None,
        after={"from": days.first, "to": days.last, "by": by},
    )

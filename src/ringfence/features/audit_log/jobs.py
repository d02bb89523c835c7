"""Background work of the audit log: sealing what was written since the last turn."""

from ringfence.features.audit_log import actions
from ringfence.features.audit_log.values import SealAuditLog
from ringfence.jobqueue.jobs import JobContext


async def seal_audit_log(context: JobContext, _job: SealAuditLog) -> None:
    """Handler of SealAuditLog: seals a batch a transaction until nothing waits. Doing it again adds nothing."""
    while True:
        async with context.tenancy.tenant(context.company_id) as session:
            sealed = await actions.seal(session)
        if sealed < actions.SEAL_BATCH:
            return

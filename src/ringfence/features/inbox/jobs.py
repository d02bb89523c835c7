"""Background work of the inbox."""

from ringfence.features.conversations.values import PurgeConversation
from ringfence.features.inbox.actions.purging import purge_some
from ringfence.jobqueue.jobs import JobContext


class PurgeHandler:
    """Does `PurgeConversation`."""

    async def __call__(self, context: JobContext, job: PurgeConversation) -> None:
        """Remove the content, a batch a transaction, so that it can go on after a crash."""
        more = True
        while more:
            async with context.tenancy.tenant(context.company_id) as session:
                more = await purge_some(session, job.conversation_id)

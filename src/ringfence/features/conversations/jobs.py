"""Background work of the conversations room."""

from ringfence.features.conversations import actions
from ringfence.features.conversations.values import EndSnooze
from ringfence.features.users.values import ReleaseConversations
from ringfence.jobqueue.jobs import JobContext


class EndSnoozeHandler:
    """Does `EndSnooze`: each snooze brought its own job, which waits in the queue for its time."""

    async def __call__(self, context: JobContext, job: EndSnooze) -> None:
        """Open the conversation, unless it is not snoozed any more, or until later."""
        async with context.tenancy.tenant(context.company_id) as session:
            await actions.end_snooze(session, job.conversation_id)


async def release_conversations(context: JobContext, job: ReleaseConversations) -> None:
    """Handler of ReleaseConversations, a batch a transaction. Doing it again does no harm."""
    more = True
    while more:
        async with context.tenancy.tenant(context.company_id) as session:
            more = await actions.release_some(session, job.user_id)

"""Background work of the messages room: attachments, and texts whose outcome Twilio has not told."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from ringfence.features.companies.values import ReviewHeld
from ringfence.features.messages.actions import background, budgeting, holding, idempotency, uploading
from ringfence.features.messages.actions.answering import answer_by_itself
from ringfence.features.messages.actions.callbacks import Tell, learn
from ringfence.features.messages.actions.indexing import index_past
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.messages.actions.merging import news_of
from ringfence.features.messages.queries import open as open_work
from ringfence.features.messages.queries.open import MEDIA_GIVEN_UP_AFTER, PendingMedia, Unfinished
from ringfence.features.messages.values import (
    AnswerByItself,
    FetchMedia,
    IndexTexts,
    RemoveMedia,
    RemoveUpload,
    SweepMessages,
)
from ringfence.features.twilio_settings import actions as twilio_settings
from ringfence.features.twilio_settings.errors import AccountUnusableError, CredentialsRefusedError
from ringfence.features.twilio_settings.queries import credentials_for
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.jobqueue.jobs import JobContext
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import (
    AccountSuspendedError,
    BadCredentialsError,
    MediaRefusedError,
    TwilioError,
    TwilioRefusedError,
)
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.providers.twilio.records import MessageInfo
from ringfence.web.paging import Position

_ASKED_AT_ONCE = 5
_HELD_AT_ONCE = 500
_GONE = "The Twilio account of this text is no longer connected."


class FetchMediaHandler:
    """Does `FetchMedia`: fetches what is still pending, with the account's own credentials, and keeps it privately."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring, store: MediaStore) -> None:
        self._gateway = gateway
        self._keyring = keyring
        self._store = store

    async def __call__(self, context: JobContext, job: FetchMedia) -> None:
        """Raises TwilioError when Twilio could not give a file now: the queue tries again."""
        async with context.tenancy.tenant(context.company_id) as session:
            credentials = await credentials_for(session, self._keyring)
            pending = await open_work.pending_media(session, job.message_id)
        if not pending:
            return
        if credentials is None or credentials.account_sid != pending[0].account_sid:
            for item in pending:
                await self._fail(context, job.message_id, item, _GONE)
            return
        late: TwilioError | None = None
        async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
            for item in pending:
                try:
                    await self._fetch(context, job.message_id, item, account)
                except MediaRefusedError as error:
                    await self._fail(context, job.message_id, item, f"{error}.")
                except TwilioError as error:
                    late = error
                    if utc_now() - item.created_at > MEDIA_GIVEN_UP_AFTER - timedelta(hours=1):
                        await self._fail(context, job.message_id, item, f"{error}.")
        if late is not None:
            raise late

    async def _fetch(self, context: JobContext, message_id: UUID, item: PendingMedia, account: TwilioAccount) -> None:
        fetched = await account.fetch_media(item.source_url)
        await self._store.write(context.company_id, item.id, fetched.data)
        async with context.tenancy.tenant(context.company_id) as session:
            kept = await background.mark_stored(
                session,
                item.id,
                message_id=message_id,
                content_type=fetched.content_type,
                size_bytes=len(fetched.data),
            )
        if not kept:
            await self._store.remove(context.company_id, item.id)

    @staticmethod
    async def _fail(context: JobContext, message_id: UUID, item: PendingMedia, reason: str) -> None:
        async with context.tenancy.tenant(context.company_id) as session:
            await background.mark_failed(session, item.id, message_id=message_id, reason=reason)


class RemoveMediaHandler:
    """Does `RemoveMedia`."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store

    async def __call__(self, context: JobContext, job: RemoveMedia) -> None:
        """Delete the files of a text's attachments; those that are gone are no error."""
        async with context.tenancy.tenant(context.company_id) as session:
            media = await open_work.stored_media(session, job.message_id)
        for media_id in media:
            await self._store.remove(context.company_id, media_id)


class RemoveUploadHandler:
    """Does `RemoveUpload`."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store

    async def __call__(self, context: JobContext, job: RemoveUpload) -> None:
        """Delete the file; one that is gone is no error."""
        await self._store.remove(context.company_id, job.upload_id)


class SweepHandler:
    """Does `SweepMessages`, a batch a run. `first_look` is how long Twilio has to report by itself.

    `tell` is told what was mended, in the transaction that mends it.
    """

    def __init__(
        self,
        gateway: TwilioGateway,
        keyring: Keyring,
        *,
        first_look: timedelta = timedelta(minutes=5),
        tell: Tell | None = None,
    ) -> None:
        self._gateway = gateway
        self._keyring = keyring
        self._first_look = first_look
        self._tell = tell

    async def __call__(self, context: JobContext, _job: SweepMessages) -> None:
        """Ask about unfinished texts, bring late attachments back to the queue, forget old keys and uploads."""
        async with context.tenancy.tenant(context.company_id) as session:
            await idempotency.forget_old(session)
            await budgeting.forget_old(session)
            await uploading.sweep(session)
            for message_id in await open_work.with_late_media(session):
                await enqueue(session, FetchMedia(message_id=message_id), once_key=f"media:{message_id}")
            credentials = await credentials_for(session, self._keyring)
            if credentials is None or credentials.status != "verified":
                return
            texts = await open_work.unfinished(
                session, account_sid=credentials.account_sid, first_look=self._first_look
            )
        if texts:
            await self._ask(context, credentials, texts)

    async def _ask(self, context: JobContext, credentials: StoredCredentials, texts: Sequence[Unfinished]) -> None:
        async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
            answers = await _ask_all(account, texts)
        async with context.tenancy.tenant(context.company_id) as session:
            told = {
                text_id: news_of(answer, via="sweep")
                for text_id, answer in answers.items()
                if isinstance(answer, MessageInfo)
            }
            learned = await learn(session, told)
            if self._tell is not None:
                await self._tell(session, learned)
            await background.note_asked(session, list(answers))
            if any(isinstance(answer, BadCredentialsError) for answer in answers.values()):
                await twilio_settings.mark_refused(session, credentials, CredentialsRefusedError())
            elif any(isinstance(answer, AccountSuspendedError) for answer in answers.values()):
                await twilio_settings.mark_refused(session, credentials, AccountUnusableError())


class AnswerByItselfHandler:
    """Does `AnswerByItself`. Done twice it answers once."""

    async def __call__(self, context: JobContext, job: AnswerByItself) -> None:
        """Hand in the automatic reply."""
        async with context.tenancy.tenant(context.company_id) as session:
            await answer_by_itself(session, job.message_id)


class ReviewHeldHandler:
    """Does `ReviewHeld`."""

    async def __call__(self, context: JobContext, _job: ReviewHeld) -> None:
        """Have the gate asked about every held text, a batch a transaction."""
        after: UUID | None = None
        while True:
            async with context.tenancy.tenant(context.company_id) as session:
                batch = await open_work.held(session, after=after, limit=_HELD_AT_ONCE)
                await holding.ask_again(session, batch)
            if len(batch) < _HELD_AT_ONCE:
                return
            after = batch[-1]


async def _ask_all(account: TwilioAccount, texts: Sequence[Unfinished]) -> dict[UUID, MessageInfo | TwilioRefusedError]:
    """What Twilio says of each text; once it cannot be reached, the rest is left for another time."""
    turn = asyncio.Semaphore(_ASKED_AT_ONCE)
    answers: dict[UUID, MessageInfo | TwilioRefusedError] = {}
    is_down = asyncio.Event()

    async def ask(text: Unfinished) -> None:
        async with turn:
            if is_down.is_set():
                return
            try:
                answers[text.id] = await account.fetch_message(text.twilio_sid)
            except TwilioRefusedError as error:
                answers[text.id] = error
            except TwilioError:
                is_down.set()

    await asyncio.gather(*(ask(text) for text in texts))
    return answers


class IndexTextsHandler:
    """Does `IndexTexts`: one batch; it orders the next one in the same transaction."""

    async def __call__(self, context: JobContext, job: IndexTexts) -> None:
        """Index a batch, the newest texts first, so that what people search for most is found soonest."""
        after = None if job.after_at is None or job.after_id is None else Position(job.after_at, job.after_id)
        async with context.tenancy.tenant(context.company_id) as session:
            await index_past(session, after)

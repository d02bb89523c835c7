"""Background work of the calls room: dialling, hanging up, fetching recordings, asking about silent calls."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from ringfence.features.calls import queries
from ringfence.features.calls.actions import dialling, keeping, legs, recordings
from ringfence.features.calls.actions.addresses import CallAddresses
from ringfence.features.calls.actions.dialling import Attempt
from ringfence.features.calls.model import Call, CallLeg
from ringfence.features.calls.values.jobs import (
    FetchRecording,
    HangUpCall,
    PlaceCall,
    RemoveRecordings,
    SweepCalls,
)
from ringfence.features.calls.values.states import News
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.twilio_settings.queries import credentials_for
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.jobqueue.jobs import JobContext
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import (
    MediaRefusedError,
    NotFoundAtTwilioError,
    TwilioError,
    TwilioRefusedError,
    TwilioUnreachableError,
)
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.providers.twilio.records import CallInfo

log = structlog.get_logger()

_ENDED_ALREADY = 21220
_GONE = "The Twilio account of this call is no longer connected."


class PlaceCallHandler:
    """Does `PlaceCall`: intent, then deed, then what came of it. Done twice, it dials once."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring) -> None:
        self._gateway = gateway
        self._keyring = keyring

    async def __call__(self, context: JobContext, job: PlaceCall) -> None:
        """Never raises for what Twilio does: a call is not dialled again, so there is nothing to repeat."""
        async with context.tenancy.tenant(context.company_id) as session:
            credentials = await credentials_for(session, self._keyring)
            attempt = await dialling.begin(session, job.call_id)
        # From here on the intent is durable: whoever dies now leaves a call that nobody dials again.
        if attempt is None or credentials is None:
            return
        try:
            async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
                info = await self._dial(account, attempt, self._addresses(context, credentials))
                async with context.tenancy.tenant(context.company_id) as session:
                    hang_up = await dialling.accepted(session, attempt, info)
                if hang_up:
                    await _end(account, info.sid)
        except TwilioRefusedError as error:
            async with context.tenancy.tenant(context.company_id) as session:
                await dialling.refused(session, job.call_id, code=error.code, reason="refused_by_twilio")
        except TwilioUnreachableError as error:
            async with context.tenancy.tenant(context.company_id) as session:
                if error.reason == "busy":
                    # 429: certainly not processed (https://www.twilio.com/docs/api/errors/20429).
                    await dialling.refused(session, job.call_id, code=None, reason="twilio_busy")
                else:
                    await dialling.unconfirmed(session, job.call_id)

    async def _dial(self, account: TwilioAccount, attempt: Attempt, addresses: CallAddresses) -> CallInfo:
        return await account.create_call(
            to=attempt.phone,
            from_number=attempt.our_number,
            url=addresses.of("voice/connect", attempt.call_id),
            status_callback=addresses.of("call-status", attempt.call_id, attempt.leg_id),
            ring_seconds=attempt.ring_seconds,
        )

    def _addresses(self, context: JobContext, credentials: StoredCredentials) -> CallAddresses:
        return CallAddresses(self._keyring, self._gateway, context.company_id, credentials.webhook_path)


class HangUpHandler:
    """Does `HangUpCall`."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring) -> None:
        self._gateway = gateway
        self._keyring = keyring

    async def __call__(self, context: JobContext, job: HangUpCall) -> None:
        """End the first leg, and with it the others. Raises TwilioError when Twilio did not answer: once more."""
        async with context.tenancy.tenant(context.company_id) as session:
            credentials = await credentials_for(session, self._keyring)
            first = next(iter(await queries.legs_of(session, job.call_id)), None)
        # Without a SID the call is just being made; who makes it will see that it is to be ended.
        if credentials is None or first is None or first.twilio_sid is None:
            return
        async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
            await _end(account, first.twilio_sid)


class FetchRecordingHandler:
    """Does `FetchRecording`: fetches the sound with the account's own credentials and keeps it privately."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring, store: MediaStore) -> None:
        self._gateway = gateway
        self._keyring = keyring
        self._store = store

    async def __call__(self, context: JobContext, job: FetchRecording) -> None:
        """Raises TwilioError when Twilio could not give it now (it may not be complete yet): the queue tries again."""
        async with context.tenancy.tenant(context.company_id) as session:
            credentials = await credentials_for(session, self._keyring)
            recording = await queries.pending_recording(session, job.recording_id)
        if recording is None:
            return
        if credentials is None or credentials.account_sid != recording.account_sid:
            await self._fail(context, job, _GONE)
            return
        try:
            async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
                sound = await account.fetch_recording(recording.twilio_sid)
        except MediaRefusedError as error:
            await self._fail(context, job, f"{error}.")
            return
        except TwilioError as error:
            if utc_now() - recording.created_at > queries.RECORDING_GIVEN_UP_AFTER - timedelta(hours=1):
                await self._fail(context, job, f"{error}.")
                return
            raise
        await self._store.write(context.company_id, recording.id, sound.data)
        async with context.tenancy.tenant(context.company_id) as session:
            kept = await recordings.mark_stored(
                session, recording.id, content_type=sound.content_type, size_bytes=len(sound.data)
            )
        if not kept:
            await self._store.remove(context.company_id, recording.id)

    @staticmethod
    async def _fail(context: JobContext, job: FetchRecording, reason: str) -> None:
        async with context.tenancy.tenant(context.company_id) as session:
            await recordings.mark_failed(session, job.recording_id, reason=reason)


class RemoveRecordingsHandler:
    """Does `RemoveRecordings`."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store

    async def __call__(self, context: JobContext, job: RemoveRecordings) -> None:
        """Delete the stored sound of a call; what is gone is no error."""
        async with context.tenancy.tenant(context.company_id) as session:
            found = await queries.recording_ids(session, job.call_id)
        for recording_id in found:
            await self._store.remove(context.company_id, recording_id)


class SweepCallsHandler:
    """Does `SweepCalls`, a batch a run. `silence` is how long a call may say nothing before Twilio is asked."""

    def __init__(self, gateway: TwilioGateway, keyring: Keyring, *, silence: timedelta = timedelta(minutes=2)) -> None:
        self._gateway = gateway
        self._keyring = keyring
        self._silence = silence

    async def __call__(self, context: JobContext, _job: SweepCalls) -> None:
        """Ask about calls nothing was heard of; look for those that were dialled without an answer; late sound."""
        async with context.tenancy.tenant(context.company_id) as session:
            for recording_id in await queries.late_recordings(session):
                await enqueue(session, FetchRecording(recording_id=recording_id), once_key=f"recording:{recording_id}")
            credentials = await credentials_for(session, self._keyring)
            if credentials is None or credentials.status != "verified":
                return
            silent = await queries.unfinished(session, untouched_for=self._silence)
            asked = [(call, await queries.legs_of(session, call.id)) for call in silent]
        if not asked:
            return
        async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
            for call, its_legs in asked:
                if call.account_sid != credentials.account_sid:
                    continue
                try:
                    await self._ask(context, account, call, its_legs)
                except TwilioUnreachableError:
                    break
        async with context.tenancy.tenant(context.company_id) as session:
            await keeping.note_asked(session, [call.id for call, _ in asked])

    async def _ask(self, context: JobContext, account: TwilioAccount, call: Call, its_legs: Sequence[CallLeg]) -> None:
        """One call: every leg that Twilio knows is read; a first leg without SID is looked for."""
        if call.direction == "outbound" and its_legs[0].twilio_sid is None:
            await self._look_for(context, account, call, its_legs[0])
            return
        for leg in its_legs:
            if leg.twilio_sid is None:
                continue
            try:
                info = await account.fetch_call(leg.twilio_sid)
            except NotFoundAtTwilioError:
                continue
            await self._learn(context, call, leg, info)

    async def _look_for(self, context: JobContext, account: TwilioAccount, call: Call, first: CallLeg) -> None:
        """Exactly one call at Twilio that is nobody's yet is this one; otherwise nobody knows."""
        if call.attempted_at is None:
            return
        listed = await account.find_calls(
            to=first.number, from_number=call.our_number, created_after=call.attempted_at - timedelta(seconds=5)
        )
        async with context.tenancy.tenant(context.company_id) as session:
            taken = await queries.taken_sids(session, [info.sid for info in listed])
        free = [info for info in listed if info.sid not in taken]
        if len(free) == 1:
            await self._learn(context, call, first, free[0])
            return
        async with context.tenancy.tenant(context.company_id) as session:
            await dialling.unconfirmed(session, call.id)

    @staticmethod
    async def _learn(context: JobContext, call: Call, leg: CallLeg, info: CallInfo) -> None:
        news = News(
            sid=info.sid,
            status=info.status,
            at=info.ended_at or info.started_at or utc_now(),
            duration_seconds=info.duration_seconds,
            price=info.price,
        )
        async with context.tenancy.tenant(context.company_id) as session:
            locked = await legs.locked(session, call.id)
            if locked is not None:
                await legs.hear(session, locked, leg.id, news)


async def _end(account: TwilioAccount, sid: str) -> None:
    try:
        await account.end_call(sid)
    except NotFoundAtTwilioError:
        return
    except TwilioRefusedError as error:
        if error.code != _ENDED_ALREADY:
            log.warning("call.hang_up.refused", code=error.code)

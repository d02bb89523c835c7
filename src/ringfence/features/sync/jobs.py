"""Background work of the sync room: a piece of a run at a time, and the sweep that comes round by itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog

from ringfence.features.audit_log.values import SYSTEM
from ringfence.features.calls.actions import absorbing as calls
from ringfence.features.messages.actions import absorbing as texts
from ringfence.features.messages.actions.absorbing import LogPage
from ringfence.features.messages.actions.background import expect_media
from ringfence.features.messages.actions.receiving import AfterReceiving, AlreadyStoredError, Inbound, receive
from ringfence.features.messages.actions.sorting import Ours
from ringfence.features.messages.queries.inbound import surroundings
from ringfence.features.messages.queries.past import WithoutMedia, without_media
from ringfence.features.phone_numbers import actions as phone_numbers
from ringfence.features.phone_numbers.values import Holding, Listing
from ringfence.features.sync import queries
from ringfence.features.sync.actions import runs, sweeps
from ringfence.features.sync.actions.runs import Step
from ringfence.features.sync.errors import AccountChangedError
from ringfence.features.sync.values import JUST_ARRIVED, BeginSweep, Counts, RunSync
from ringfence.features.twilio_settings import actions as twilio_settings
from ringfence.features.twilio_settings import queries as settings_queries
from ringfence.features.twilio_settings.errors import AccountUnusableError, CredentialsRefusedError
from ringfence.features.twilio_settings.values import StoredCredentials
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.clock import monotonic_seconds, utc_now
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import (
    AccountSuspendedError,
    BadCredentialsError,
    NotFoundAtTwilioError,
    TwilioRefusedError,
    TwilioUnreachableError,
)
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.providers.twilio.lists import Item, ListPage
from ringfence.providers.twilio.records import CallInfo, MediaInfo

log = structlog.get_logger()

_PIECE_SECONDS: Final = 10.0
_MEDIA_AT_ONCE: Final = 20
_FIRST: Final = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the steps of one piece share: the account, its numbers, and since when it is connected."""

    context: JobContext
    account: TwilioAccount
    holdings: dict[str, Holding]
    connected_at: datetime


class RunSyncHandler:
    """Does `RunSync`: pages, one after the other, for some seconds; then it goes to the end of the queue.

    One request is under way at a time, so a sync takes one of the account's concurrent requests. Each page is taken in
    and the run moved on in one transaction: whoever dies leaves the run at a page, and the next one goes on there.
    """

    def __init__(self, gateway: TwilioGateway, keyring: Keyring, then: AfterReceiving, *, page_size: int = 500) -> None:
        self._gateway = gateway
        self._keyring = keyring
        self._then = then
        self._page_size = page_size
        self._stages: dict[str, Callable[[_Piece, Step], Awaitable[bool]]] = {
            "phone_numbers": self._phone_numbers,
            "messages": self._messages,
            "media": self._media,
            "calls": self._calls,
            "recordings": self._recordings,
        }

    async def __call__(self, context: JobContext, job: RunSync) -> None:
        """Never raises for what Twilio does: the run says it, and the next piece comes later."""
        async with context.tenancy.tenant(context.company_id) as session:
            settings = await settings_queries.current(session)
            credentials = await settings_queries.credentials_for(session, self._keyring)
            step = await runs.next_step(session, job.run_id)
            if step is None:
                return
            if credentials is None or settings is None or credentials.account_sid != step.account_sid:
                await runs.fail(session, job.run_id, AccountChangedError())
                return
        holdings = await queries.holdings(context.tenancy, context.company_id, account_sid=step.account_sid)
        until = monotonic_seconds() + _PIECE_SECONDS
        async with self._gateway.account(credentials.account_sid, credentials.auth_token) as account:
            piece = _Piece(context, account, holdings, settings.created_at)
            while step is not None and await self._do(piece, step, credentials):
                async with context.tenancy.tenant(context.company_id) as session:
                    step = await runs.next_step(session, job.run_id)
                    if step is not None and monotonic_seconds() > until:
                        await runs.hurry(session, job.run_id)
                        return

    async def _do(self, piece: _Piece, step: Step, credentials: StoredCredentials) -> bool:
        """One step; whether to go on at once."""
        context = piece.context
        try:
            return await self._stages[step.stage](piece, step)
        except (BadCredentialsError, AccountSuspendedError) as error:
            refused = CredentialsRefusedError() if isinstance(error, BadCredentialsError) else AccountUnusableError()
            async with context.tenancy.tenant(context.company_id) as session:
                await twilio_settings.mark_refused(session, credentials, refused)
                await runs.fail(session, step.run_id, refused)
        except TwilioRefusedError as error:
            async with context.tenancy.tenant(context.company_id) as session:
                await runs.start_stage_again(session, step, words=error.explanation.meaning)
        except TwilioUnreachableError as error:
            log.info("sync.put_off", reason=error.reason)
            async with context.tenancy.tenant(context.company_id) as session:
                await runs.put_off(session, step, code="twilio_unreachable", words=f"{error}.", wait=error.retry_after)
        return False

    async def _phone_numbers(self, piece: _Piece, step: Step) -> bool:
        context, listed_at = piece.context, utc_now()
        listing = Listing(step.account_sid, await piece.account.list_numbers(), listed_at)
        async with context.tenancy.tenant(context.company_id) as session:
            credentials = await settings_queries.credentials_for(session, self._keyring)
            run = await runs.at(session, step)
            if run is None or credentials is None:
                return False
            counts = Counts(seen=len(listing.numbers))
            intake = await phone_numbers.store_sync(session, credentials, listing, actor=SYSTEM)
            if intake is not None:
                counts.added = intake.added
                counts.changed = intake.returned + intake.released
                counts.skipped["held_by_another_company"] = len(intake.held_elsewhere)
            await runs.advance(session, run, counts=counts, cursor=None)
        piece.holdings.clear()
        piece.holdings.update(await queries.holdings(context.tenancy, context.company_id, account_sid=step.account_sid))
        return True

    async def _messages(self, piece: _Piece, step: Step) -> bool:
        context = piece.context
        listed = await piece.account.lists.messages(since=step.since, following=step.cursor, page_size=self._page_size)
        page = LogPage(
            account_sid=step.account_sid,
            texts=listed.items,
            holdings=piece.holdings,
            via="sweep" if step.standing else "sync",
            place=step.place,
        )
        counts = _counts(listed)
        counts.recovered = await self._recover(piece, step, page)
        async with context.tenancy.tenant(context.company_id) as session:
            run = await runs.at(session, step)
            if run is None:
                return False
            absorbed = await texts.absorb(session, page)
            counts.added = absorbed.added
            counts.changed = absorbed.statuses + absorbed.prices
            counts.statuses_fixed, counts.prices_filled = absorbed.statuses, absorbed.prices
            counts.skipped += absorbed.skipped
            if step.standing:
                await sweeps.note_mended(session, counts.mended())
            await runs.advance(session, run, counts=counts, cursor=listed.following)
        return True

    async def _recover(self, piece: _Piece, step: Step, page: LogPage) -> int:
        """Inbound texts whose webhook never came are taken in like those whose did, only late."""
        context = piece.context
        since = sweeps.late_since(piece.connected_at, standing=step.standing, just_arrived=JUST_ARRIVED)
        async with context.tenancy.tenant(context.company_id) as session:
            missing = await texts.lost(session, page)
        recovered = 0
        for text in missing:
            if text.info.created_at >= since.replace(microsecond=0):
                media = await piece.account.lists.media_of(text.info.sid) if text.info.num_media else []
                recovered += await self._receive(context, text, media)
        return recovered

    async def _receive(self, context: JobContext, text: Ours, media: list[MediaInfo]) -> bool:
        info = text.info
        inbound = Inbound(
            twilio_sid=info.sid,
            account_sid=info.account_sid,
            from_number=text.outside_number,
            to_number=text.our_number,
            body=text.body,
            media=tuple((item.url, item.content_type) for item in media),
            num_segments=info.num_segments,
            opt_out_type=None,
            parameters={"MessageSid": info.sid, "From": text.outside_number, "To": text.our_number},
            late_since=info.created_at,
        )
        try:
            async with context.tenancy.tenant(context.company_id) as session:
                found = await surroundings(
                    session, from_number=text.outside_number, to_number=text.our_number, twilio_sid=info.sid
                )
                if found.is_known or found.phone_number_id is None:
                    return False
                await receive(
                    session, inbound, phone_number_id=found.phone_number_id, surroundings=found, then=self._then
                )
        except AlreadyStoredError:
            return False
        return True

    async def _media(self, piece: _Piece, step: Step) -> bool:
        """Find out where the attachments of texts are that came by a sync; a job of its own fetches each text's."""
        context = piece.context
        after = _position(step.cursor) if step.cursor else (step.since or _FIRST[0], _FIRST[1])
        async with context.tenancy.tenant(context.company_id) as session:
            batch = await without_media(session, account_sid=step.account_sid, after=after, limit=_MEDIA_AT_ONCE)
        found: list[tuple[WithoutMedia, list[MediaInfo]]] = []
        counts = Counts(seen=len(batch))
        for text in batch:
            try:
                found.append((text, await piece.account.lists.media_of(text.twilio_sid)))
            except NotFoundAtTwilioError:
                counts.skipped["gone_at_twilio"] += 1
        async with context.tenancy.tenant(context.company_id) as session:
            run = await runs.at(session, step)
            if run is None:
                return False
            for text, media in found:
                await expect_media(session, text.id, [(item.url, item.content_type) for item in media])
                counts.added += len(media)
            full = len(batch) == _MEDIA_AT_ONCE
            cursor = f"{batch[-1].created_at.isoformat()}|{batch[-1].id}" if full else None
            await runs.advance(session, run, counts=counts, cursor=cursor)
        return True

    async def _calls(self, piece: _Piece, step: Step) -> bool:
        context = piece.context
        listed = await piece.account.lists.calls(since=step.since, following=step.cursor, page_size=self._page_size)
        async with context.tenancy.tenant(context.company_id) as session:
            parents = await calls.unknown_parents(session, listed.items)
        with_parents = [*listed.items, *[info for sid in sorted(parents) async for info in _fetch(piece.account, sid)]]
        counts = _counts(listed)
        async with context.tenancy.tenant(context.company_id) as session:
            run = await runs.at(session, step)
            if run is None:
                return False
            absorbed = await calls.absorb(session, with_parents, account_sid=step.account_sid, holdings=piece.holdings)
            counts.added, counts.changed = absorbed.added, absorbed.changed
            counts.skipped += absorbed.skipped
            if step.standing:
                await sweeps.note_mended(session, {"calls_added": counts.added})
            await runs.advance(session, run, counts=counts, cursor=listed.following)
        return True

    async def _recordings(self, piece: _Piece, step: Step) -> bool:
        context = piece.context
        listed = await piece.account.lists.recordings(
            since=step.since, following=step.cursor, page_size=self._page_size
        )
        counts = _counts(listed)
        async with context.tenancy.tenant(context.company_id) as session:
            run = await runs.at(session, step)
            if run is None:
                return False
            absorbed = await calls.absorb_recordings(session, listed.items)
            counts.added = absorbed.added
            counts.skipped += absorbed.skipped
            await runs.advance(session, run, counts=counts, cursor=listed.following)
        return True


class BeginSweepHandler:
    """Does `BeginSweep`."""

    async def __call__(self, context: JobContext, _job: BeginSweep) -> None:
        """Begin a sweep where the connection works; move on what stands still; forget old sweeps."""
        async with context.tenancy.tenant(context.company_id) as session:
            await sweeps.forget_old(session)
            for run_id in await queries.standing_still(session):
                await runs.hurry(session, run_id)
            settings = await settings_queries.current(session)
            if settings is not None and settings.status == "verified":
                await sweeps.begin(session, settings)


def _counts(listed: ListPage[Item]) -> Counts:
    counts = Counts(seen=len(listed.items) + listed.unreadable)
    counts.skipped["unreadable"] += listed.unreadable
    return counts


async def _fetch(account: TwilioAccount, sid: str) -> AsyncIterator[CallInfo]:
    """The call, unless Twilio has it no more."""
    try:
        yield await account.fetch_call(sid)
    except NotFoundAtTwilioError:
        return


def _position(cursor: str) -> tuple[datetime, UUID]:
    at, _, text_id = cursor.partition("|")
    return datetime.fromisoformat(at), UUID(text_id)

"""One stream: what a caller may hear, in order, from where the caller left off, for as long as the caller may."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request

from ringfence.errors import BusyError, ForbiddenError, UnauthenticatedError
from ringfence.features.events.queries import Head
from ringfence.features.live.actions.hub import Hub, Watcher
from ringfence.features.live.queries import Batch
from ringfence.features.live.schemas import EventAnswer, StreamAnswer, StreamKind
from ringfence.features.live.values import (
    CHECK_SECONDS,
    FRESH_SECONDS,
    HEARTBEAT_SECONDS,
    RETRY_SECONDS,
    event_id,
    read_event_id,
)
from ringfence.kit.clock import monotonic_seconds
from ringfence.kit.keyring import Keyring
from ringfence.web.caller import Caller, any_caller
from ringfence.web.sse import frame

_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class Stream:
    """Between two reads it holds nothing of the database, and in memory one batch at most.

    `seq` is the place up to which the caller has heard everything it may hear.
    """

    request: Request
    caller: Caller
    hub: Hub
    keyring: Keyring
    watcher: Watcher
    seq: int = 0
    is_gone: bool = False
    _told_upto: int = 0
    _checked_at: float = 0.0
    _spoke_at: float = 0.0

    def go(self) -> None:
        """The reader has gone away: its place is free at once, for it may be back before this stream has noticed."""
        self.is_gone = True
        self.hub.leave(self.watcher)
        self.watcher.news.set()

    def begin(self, head: Head, last_event_id: str | None) -> str:
        """The first block. An id that is not one of this company's begins anew, as if all since then were lost."""
        self._checked_at = self._spoke_at = monotonic_seconds()
        resumed = None
        if last_event_id:
            resumed = read_event_id(self.keyring, self.caller.company_id, last_event_id)
        self.watcher.news.set()
        if resumed is not None and head.trimmed_seq <= resumed <= head.last_seq:
            self.seq = self._told_upto = resumed
            return frame(retry_seconds=RETRY_SECONDS)
        self.seq = head.last_seq
        return self._about_itself("stream.reset" if last_event_id else "stream.started", retry_seconds=RETRY_SECONDS)

    async def blocks(self, first: str) -> AsyncGenerator[str]:
        """The whole stream, until the reader is gone, the server stops, or the caller may no more."""
        yield first
        while not (self.is_gone or self.hub.is_closing):
            has_news = self.watcher.news.is_set()
            self.watcher.news.clear()
            try:
                if not await self._may_go_on(FRESH_SECONDS if has_news else CHECK_SECONDS):
                    yield self._about_itself("stream.ended")
                    return
                block = await self._news() if has_news else None
            except BusyError:
                await asyncio.sleep(_AGAIN_SECONDS)
                self.watcher.news.set()
                block = None
            block = block or self._heartbeat()
            if block is not None:
                self._spoke_at = monotonic_seconds()
                yield block
            await self._wait()

    async def _may_go_on(self, fresh_seconds: float) -> bool:
        """Whether the credential still stands and means what it meant; asked again when that is not fresh any more."""
        if monotonic_seconds() - self._checked_at < fresh_seconds:
            return True
        try:
            now = await self.hub.in_turn(lambda: any_caller(self.request))
        except (UnauthenticatedError, ForbiddenError):
            return False
        if not isinstance(now, Caller):
            return False
        self._checked_at = monotonic_seconds()
        before = self.caller
        return (now.company_id, now.id, now.level, now.role) == (
            before.company_id,
            before.id,
            before.level,
            before.role,
        )

    async def _news(self) -> str | None:
        batch = await self.hub.read(self.caller, self.seq)
        if not batch.head.trimmed_seq <= self.seq <= batch.head.last_seq:
            self.seq = batch.head.last_seq
            return self._about_itself("stream.reset")
        self.seq = batch.upto
        if not batch.is_whole:
            self.watcher.news.set()
        return self._tell(batch) if batch.told else None

    def _tell(self, batch: Batch) -> str:
        self._told_upto = batch.told[-1].seq
        return "".join(
            frame(
                event_id=event_id(self.keyring, self.caller.company_id, told.seq),
                data=EventAnswer.of(told).model_dump_json(),
            )
            for told in batch.told
        )

    def _heartbeat(self) -> str | None:
        """What was passed over moves the client's last id too: it must not have to go through it again."""
        if monotonic_seconds() - self._spoke_at < HEARTBEAT_SECONDS:
            return None
        if self._told_upto == self.seq:
            return frame()
        self._told_upto = self.seq
        return frame(event_id=event_id(self.keyring, self.caller.company_id, self.seq))

    def _about_itself(self, kind: StreamKind, *, retry_seconds: float | None = None) -> str:
        self._told_upto = self.seq
        return frame(
            retry_seconds=retry_seconds,
            event_id=event_id(self.keyring, self.caller.company_id, self.seq),
            data=StreamAnswer(kind=kind).model_dump_json(),
        )

    async def _wait(self) -> None:
        """For news, or until it is time to speak or to ask whether the caller may go on."""
        now = monotonic_seconds()
        until = min(self._spoke_at + HEARTBEAT_SECONDS, self._checked_at + CHECK_SECONDS)
        try:
            async with asyncio.timeout(max(until - now, 0.0)):
                await self.watcher.news.wait()
        except TimeoutError:
            return

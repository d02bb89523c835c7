"""The database goes away for a while, or throws everybody out, while texts are on their way."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from ringfence.emulator.behaviour import Behaviour, Span
from tests.factories.cluster import Database
from tests.factories.stage import Stage, build_runtime, open_stage
from tests.factories.waiting import eventually

SLOW_NETWORK = Behaviour(latency=Span(0.05, 0.1), price_delay=Span(60, 60))


class Wire:
    """A connection to the database that can be cut: open ones are reset, new ones are refused."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def connect(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, forth = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, forth}
        await asyncio.gather(self._pump(reader, forth), self._pump(back, writer))
        self._open -= {writer, forth}

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.transport.abort()


@asynccontextmanager
async def dispatching_through_a_wire(stage: Stage, database: Database) -> AsyncIterator[Wire]:
    """A dispatcher that reaches the database through a wire; API and test reach it directly."""
    parts = urlsplit(database.app_url)
    wire = Wire(parts.hostname or "", parts.port or 0)
    await wire.connect()

    def through(url: str) -> str:
        split = urlsplit(url)
        return urlunsplit(split._replace(netloc=f"{split.username}:{split.password}@127.0.0.1:{wire.port}"))

    wired = dataclasses.replace(
        database, app_url=through(database.app_url), platform_url=through(database.platform_url)
    )
    settings = stage.runtime.settings
    runtime = build_runtime(wired, settings.public_url, settings.twilio_api_url)
    try:
        async with stage.dispatching(runtime):
            yield wire
    finally:
        await runtime.close()
        wire.cut()


async def test_a_database_that_is_away_for_a_while_loses_and_doubles_nothing(database: Database) -> None:
    async with open_stage(database, network=SLOW_NETWORK) as stage:
        texts = await stage.put(stage.a, 60, rate="60") + await stage.put(stage.b, 60, rate="60")
        async with dispatching_through_a_wire(stage, database) as wire:
            for wanted in (20, 60):

                async def some_are_out(wanted: int = wanted) -> bool:
                    return len(stage.accepted()) >= wanted

                await eventually(some_are_out)
                wire.cut()
                at_the_cut = len(stage.accepted())
                await asyncio.sleep(0.7)
                assert len(stage.accepted()) - at_the_cut < 40, "texts go out without a record"
                await wire.connect()
            await stage.until(texts, "sending", "sent", "delivered", "unconfirmed", within=60)

            async def settled() -> bool:
                return stage.look("SELECT 1 FROM outbox") == []

            await eventually(settled, within=30)
        assert await stage.doubles() == {}
        for text in texts:
            # Twilio's own answers outlived the outage in memory, or were adopted.
            tally = await stage.creates(text)
            assert (stage.record(text)["status"] == "unconfirmed") == (tally["accepted"] == 0)


async def test_a_database_that_throws_everybody_out_is_come_back_to(database: Database) -> None:
    async with open_stage(database, network=SLOW_NETWORK) as stage:
        texts = await stage.put(stage.a, 60, rate="60")
        async with stage.dispatching():
            for wanted in (10, 30):

                async def some_are_out(wanted: int = wanted) -> bool:
                    return len(stage.accepted()) >= wanted

                await eventually(some_are_out)
                stage.look(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename LIKE 'ringfence_%%'"
                )
            await stage.until(texts, "sending", "sent", "delivered", within=60)
        assert await stage.doubles() == {}
        assert {(await stage.creates(text))["accepted"] for text in texts} == {1}

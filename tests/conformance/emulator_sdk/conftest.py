"""The official SDK, unmodified, aimed at a running emulator."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from ringfence.emulator import AccountSeed, Behaviour, Emulator, NumberSeed, Span

SID, TOKEN = "AC" + "a" * 32, "token-of-acme"
OTHER_SID, OTHER_TOKEN = "AC" + "b" * 32, "token-of-bolt"
NUMBER, SECOND, OTHER_NUMBER, CUSTOMER = "+16025550100", "+16025550101", "+12065550140", "+16025550147"

QUICK = Behaviour(
    sent_delay=Span(0.01, 0.02),
    delivered_delay=Span(0.01, 0.02),
    callback_delay=Span(0.0, 0.0),
    price_delay=Span(0.02, 0.02),
    dial_delay=Span(0.05, 0.05),
    answer_delay=Span(0.02, 0.02),
    say_time=Span(0.01, 0.01),
    recording_delay=Span(0.01, 0.01),
)


@dataclass
class Running:
    """An emulator in a thread of its own, because the synchronous SDK blocks the one it is called in."""

    emulator: Emulator

    def client(self, sid: str = SID, token: str = TOKEN, account: str | None = None) -> Client:
        """A synchronous client; nothing is read from the environment."""
        client = Client(sid, token, account, environment={"_": ""})
        client.api.base_url = self.emulator.base_url
        return client


@pytest.fixture
def running() -> Iterator[Running]:
    emulator = Emulator(
        [
            AccountSeed(
                friendly_name="Acme",
                account_sid=SID,
                auth_token=TOKEN,
                numbers=[NumberSeed(phone_number=NUMBER), NumberSeed(phone_number=SECOND, friendly_name="Second")],
            ),
            AccountSeed(
                friendly_name="Bolt",
                account_sid=OTHER_SID,
                auth_token=OTHER_TOKEN,
                numbers=[NumberSeed(phone_number=OTHER_NUMBER)],
            ),
        ],
        behaviour=QUICK,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(emulator.start(), loop).result(10)
        yield Running(emulator)
    finally:
        asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def client(running: Running) -> Client:
    return running.client()


@pytest.fixture
async def async_client(running: Running) -> AsyncIterator[Client]:
    async with AsyncTwilioHttpClient() as transport:
        client = Client(SID, TOKEN, http_client=transport, environment={"_": ""})
        client.api.base_url = running.emulator.base_url
        yield client

"""Fixtures: a running emulator, the application pointed at it, and both companies' accounts."""

from collections.abc import AsyncIterator

import httpx
import pytest

from ringfence.emulator import Emulator
from tests.factories.twilio_world import TwilioWorld, gateway_to, running_emulator, twilio_world
from tests.factories.world import World


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def more_services(emulator: Emulator) -> tuple[object, ...]:
    return (gateway_to(emulator),)


@pytest.fixture
async def twilio(world: World, client: httpx.AsyncClient, emulator: Emulator) -> AsyncIterator[TwilioWorld]:
    async with twilio_world(world, client, emulator) as twilio:
        yield twilio

"""Fixtures of the emulator's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.emulator.emulator_world import Application, Phone, running_application, running_emulator


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    async with running_application() as application:
        yield application


@pytest.fixture
async def phone(application: Application) -> AsyncIterator[Phone]:
    async with running_emulator(application.url) as phone:
        yield phone

"""Waiting for what happens in other tasks and processes: ask again until a deadline, never sleep and hope."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")


async def eventually(ask: Callable[[], Awaitable[Result]], *, within: float = 15.0) -> Result:
    """The first true answer of `ask`; fails with the last answer when none comes in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (answer := await ask()):
        if loop.time() > deadline:
            raise AssertionError(f"did not happen within {within} s; last answer: {answer!r}")
        await asyncio.sleep(0.02)
    return answer

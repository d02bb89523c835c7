"""Tells all processes which companies have news, after the commit and apart from it."""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

CHANNEL: Final = "ringfence_news"
# A payload holds fewer than 8000 bytes, a company's id takes 33 of them.
_MOST_AT_ONCE: Final = 200
_PAUSE_SECONDS: Final = 0.05
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


class Announcer:
    """Collects companies with news and notifies at most 20 times a second, on a connection of its own.

    Never in the transaction of the news: PostgreSQL makes transactions that notify commit one after the other.
    """

    def __init__(self, platform_engine: AsyncEngine) -> None:
        self._engine = platform_engine
        self._pending: dict[UUID, None] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, company_id: UUID) -> None:
        """The company has news. Returns at once; call it in the event loop."""
        self._pending[company_id] = None
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell_all())

    async def close(self) -> None:
        """Tell what is still to be told."""
        if self._telling is not None:
            await self._telling

    async def _tell_all(self) -> None:
        while self._pending:
            chosen = list(self._pending)[:_MOST_AT_ONCE]
            for company_id in chosen:
                del self._pending[company_id]
            try:
                async with self._engine.begin() as connection:
                    payload = ",".join(company_id.hex for company_id in chosen)
                    await connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})
            except (DBAPIError, PoolTimeoutError, OSError) as error:
                # Whoever waits for the news looks from time to time without being told.
                log.warning("news.not_told", error=type(error).__name__, companies=len(chosen))
            await asyncio.sleep(_PAUSE_SECONDS)

"""Hears which companies have news: one connection of a process, one channel."""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ringfence.wakeup.announcer import CHANNEL

log = structlog.get_logger()

_RETRY_SECONDS: Final = 1.0
# So that a database that vanished without a word is noticed.
_OPTIONS: Final = "keepalives_idle=15 keepalives_interval=5 keepalives_count=3 connect_timeout=10"


class Listener:
    """Calls `heard` with each company that is told to have news. What is told while it is not connected is lost."""

    def __init__(self, database_url: str, heard: Callable[[UUID], None]) -> None:
        """`database_url` is any login's, as libpq URL: payloads hold ids of companies only."""
        self._conninfo = make_conninfo(_OPTIONS, **conninfo_to_dict(database_url))
        self._heard = heard
        self.is_connected = False

    async def run(self) -> None:
        """Listen until cancelled, through restarts of the database."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    self.is_connected = True
                    async for notify in connection.notifies():
                        self._hear(notify.payload)
            except (psycopg.Error, OSError) as error:
                log.warning("news.not_heard", error=type(error).__name__)
            finally:
                self.is_connected = False
            await asyncio.sleep(_RETRY_SECONDS)

    def _hear(self, payload: str) -> None:
        """Any login of the database can notify, so a payload may be anything."""
        for word in payload.split(","):
            try:
                company_id = UUID(word)
            except ValueError:
                continue
            self._heard(company_id)

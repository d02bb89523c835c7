"""Companies, senders and texts in the outbox, and the engine's statements run one by one as the app role."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import TextClause

from ringfence.dispatch import outbox, statements
from ringfence.dispatch.lease import Lease
from ringfence.features.companies.model import Company
from ringfence.features.messages.model import Message
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import Tenancy, TenantSession
from tests.factories.cluster import Database

LONG_DEAD = 40.0
ACCOUNT = "AC" + "0" * 32


@dataclass
class OutboxWorld:
    tenancy: Tenancy
    database: Database
    lease: Lease
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def company(self) -> UUID:
        company_id = new_id()
        async with self.tenancy.platform() as session:
            session.add(Company(id=company_id, name="A company", created_at=utc_now()))
        return company_id

    async def sender(self, company_id: UUID, *, rate: str = "100") -> UUID:
        sender_id = new_id()
        async with self.tenancy.tenant(company_id) as session:
            session.add(
                PhoneNumber(
                    id=sender_id,
                    account_sid=ACCOUNT,
                    twilio_sid=None,
                    phone_number=f"+1602555{next(self._numbers):04}",
                    friendly_name="",
                    country="US",
                    sms=True,
                    mms=True,
                    voice=True,
                    segments_per_second=Decimal(rate),
                    created_at=utc_now(),
                    updated_at=utc_now(),
                )
            )
        return sender_id

    async def text(
        self, company_id: UUID, sender_id: UUID, *, priority: int = 3, segments: int = 1, due_in: float = 0.0
    ) -> UUID:
        """A text and its outbox row, committed."""
        async with self.tenancy.tenant(company_id) as session:
            return await self.put(session, sender_id, priority=priority, segments=segments, due_in=due_in)

    async def put(
        self, session: TenantSession, sender_id: UUID, *, priority: int = 3, segments: int = 1, due_in: float = 0.0
    ) -> UUID:
        """A text and its outbox row, in the caller's transaction."""
        message_id, now = new_id(), utc_now()
        session.add(
            Message(
                id=message_id,
                conversation_id=None,
                phone_number_id=sender_id,
                direction="outbound",
                status="queued",
                from_number="+16025550100",
                to_number="+16025559999",
                body="Hello",
                encoding="GSM-7",
                num_segments=segments,
                source="api",
                created_at=now,
                updated_at=now,
            )
        )
        await session.flush()
        await outbox.enqueue(
            session,
            message_id=message_id,
            sender_id=sender_id,
            priority=priority,
            segments=segments,
            due_at=now + timedelta(seconds=due_in),
            segments_per_second=Decimal(100),
        )
        return message_id

    async def run(self, company_id: UUID, statement: TextClause, **values: object) -> Sequence[Any]:
        """One statement in a transaction of its own."""
        async with self.tenancy.tenant(company_id) as session:
            return await self.within(session, statement, **values)

    async def within(self, session: TenantSession, statement: TextClause, **values: object) -> Sequence[Any]:
        result = await session.execute(statement, {"company_id": session.company_id, **values})
        return result.all() if result.returns_rows else []

    async def claim(
        self, company_id: UUID, budgets: Mapping[UUID, int], *, most: int = 100, fence: int | None = None
    ) -> list[UUID]:
        """The claim and its intents, as the engine does it: the claimed texts, by sender and priority."""
        async with self.tenancy.tenant(company_id) as session:
            return await self.claim_within(session, budgets, most=most, fence=fence)

    async def claim_within(
        self, session: TenantSession, budgets: Mapping[UUID, int], *, most: int = 100, fence: int | None = None
    ) -> list[UUID]:
        fence = self.lease.fence if fence is None else fence
        rows = await self.within(
            session,
            statements.CLAIM,
            senders=list(budgets),
            budgets=list(budgets.values()),
            most=most,
            owner=self.lease.owner,
            fence=fence,
            presumed_dead=LONG_DEAD,
        )
        if rows:
            await self.within(
                session,
                statements.INTEND,
                message_ids=[row.message_id for row in rows],
                attempts=[row.attempt for row in rows],
                fence=fence,
            )
        return [row.message_id for row in rows]

    async def next_due(
        self, company_id: UUID, senders: Sequence[UUID], *, eligible: datetime | None = None
    ) -> dict[UUID, bool]:
        """Senders that have a row left → whether they are due again at once; empty lanes go."""
        async with self.tenancy.tenant(company_id) as session:
            rows = await self.within(
                session,
                statements.NEXT_DUE,
                senders=list(senders),
                eligible=[eligible or utc_now()] * len(senders),
            )
            await self.within(session, statements.DROP_EMPTY_LANES, senders=list(senders))
        return {row.sender_id: row.more for row in rows}

    def look(self, query: str, **values: object) -> list[dict[str, Any]]:
        """What is in the database, seen by its administrator."""
        with psycopg.connect(self.database.admin_url, autocommit=True, row_factory=dict_row) as admin:
            return admin.execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    def change(self, statement: str, **values: object) -> None:
        """Change rows behind everybody's back, to move a clock forward for one of them."""
        with psycopg.connect(self.database.admin_url, autocommit=True) as admin:
            admin.execute(statement, values)  # pyright: ignore[reportArgumentType]

    def state(self, message_id: UUID) -> str | None:
        rows = self.look("SELECT state FROM outbox WHERE message_id = %(id)s", id=message_id)
        return rows[0]["state"] if rows else None

    def lanes(self) -> dict[UUID, dict[str, Any]]:
        return {
            row["sender_id"]: row
            for row in self.look("SELECT *, next_due <= now() AS due, paused_until > now() AS paused FROM lane")
        }

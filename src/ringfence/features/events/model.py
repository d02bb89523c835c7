"""Tables of the events room."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.tenancy.tables import CompanyColumn, TenantTable, tenant_args, tenant_reference


class Event(TenantTable, Base):
    """Something changed: ids only. `seq` is empty until the event has its place in the company's order.

    Places are given after the commit, under the lock of the company's head, so a reader of `seq > last` misses nothing
    (docs/decisions/0006-live-events.md).
    """

    __tablename__ = "events"
    __table_args__ = tenant_args(
        tenant_reference("conversation_id", "conversations", ondelete="CASCADE"),
        Index("ix_events_seq", "company_id", "seq", unique=True, postgresql_where=text("seq IS NOT NULL")),
        Index("ix_events_waiting", "company_id", "id", postgresql_where=text("seq IS NULL")),
    )

    seq: Mapped[int | None] = mapped_column(BigInteger, default=None)
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    conversation_id: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class EventReader(CompanyColumn, Base):
    """A reader that must miss nothing, such as outgoing webhooks: what it has not read yet is not deleted.

    `read_at` is when it last found something.
    """

    __tablename__ = "event_readers"
    __table_args__ = tenant_args()

    name: Mapped[str] = mapped_column(primary_key=True)
    read_to: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime]


class EventHead(CompanyColumn, Base):
    """How far a company's order has come. Nobody can resume from a place before `trimmed_seq`."""

    __tablename__ = "event_heads"
    __table_args__ = tenant_args()

    last_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    trimmed_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

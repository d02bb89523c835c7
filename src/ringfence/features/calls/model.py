"""Tables of the calls room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.calls.values.states import (
    CALL_STATUSES,
    DIRECTIONS,
    FINAL,
    LEG_STATUSES,
    RECORDING_KINDS,
    RECORDING_STATUSES,
    ROLES,
    SOURCES,
)
from ringfence.tenancy.tables import CompanyColumn, TenantTable, one_of, tenant_args, tenant_reference

_FINAL = ", ".join(f"'{status}'" for status in sorted(FINAL))


class Call(TenantTable, Base):
    """One call. `status` follows from the legs and only moves forward; `reason` is a stable word for how it ended.

    `attempted_at` is the intent: it is committed before Twilio is asked, and a call that has it is never dialled again.
    """

    __tablename__ = "calls"
    __table_args__ = tenant_args(
        one_of("direction", DIRECTIONS),
        one_of("status", CALL_STATUSES),
        one_of("source", SOURCES),
        tenant_reference("phone_number_id", "phone_numbers"),
        tenant_reference("user_id", "users", ondelete="SET NULL"),
        tenant_reference("contact_id", "contacts", ondelete="SET NULL"),
        tenant_reference("redial_of", "calls", ondelete="SET NULL"),
        Index(None, "company_id", "created_at", "id"),
        Index(None, "company_id", "outside_number", "created_at", "id"),
        Index(None, "company_id", "user_id", "created_at"),
        Index(None, "company_id", "contact_id"),
        Index("ix_calls_unfinished", "company_id", "updated_at", postgresql_where=text(f"status NOT IN ({_FINAL})")),
    )

    direction: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None] = mapped_column(default=None)
    error_code: Mapped[int | None] = mapped_column(default=None)
    source: Mapped[str]
    phone_number_id: Mapped[UUID]
    our_number: Mapped[str]
    outside_number: Mapped[str]
    account_sid: Mapped[str | None] = mapped_column(default=None)
    user_id: Mapped[UUID | None] = mapped_column(default=None)
    contact_id: Mapped[UUID | None] = mapped_column(default=None)
    redial_of: Mapped[UUID | None] = mapped_column(default=None)
    notes: Mapped[str] = mapped_column(server_default="")
    attempted_at: Mapped[datetime | None] = mapped_column(default=None)
    hang_up_asked_at: Mapped[datetime | None] = mapped_column(default=None)
    answered_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    duration_seconds: Mapped[int | None] = mapped_column(default=None)
    # What Twilio charged for all legs, in millionths of a unit of the currency; a cost is positive. It comes late.
    price_micros: Mapped[int | None] = mapped_column(BigInteger, default=None)
    price_currency: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


class CallLeg(TenantTable, Base):
    """One telephone in a call: position 0 is the first leg at Twilio, the others are dialled into it in order."""

    __tablename__ = "call_legs"
    __table_args__ = tenant_args(
        one_of("role", ROLES),
        one_of("status", LEG_STATUSES),
        tenant_reference("call_id", "calls", ondelete="CASCADE"),
        tenant_reference("user_id", "users", ondelete="SET NULL"),
        UniqueConstraint("company_id", "call_id", "position"),
        UniqueConstraint("company_id", "twilio_sid"),
    )

    call_id: Mapped[UUID]
    position: Mapped[int]
    role: Mapped[str]
    number: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(default=None)
    twilio_sid: Mapped[str | None] = mapped_column(default=None)
    status: Mapped[str] = mapped_column(server_default="planned")
    sequence: Mapped[int | None] = mapped_column(default=None)
    answered_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    duration_seconds: Mapped[int | None] = mapped_column(default=None)
    price_micros: Mapped[int | None] = mapped_column(BigInteger, default=None)
    price_currency: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class CallRecording(TenantTable, Base):
    """The sound of a call, or a message that was left. Stored ones are under MEDIA_DIR, named by company and id."""

    __tablename__ = "call_recordings"
    __table_args__ = tenant_args(
        one_of("kind", RECORDING_KINDS),
        one_of("status", RECORDING_STATUSES),
        tenant_reference("call_id", "calls", ondelete="CASCADE"),
        UniqueConstraint("company_id", "twilio_sid"),
        Index(None, "company_id", "call_id"),
    )

    call_id: Mapped[UUID]
    kind: Mapped[str]
    status: Mapped[str]
    twilio_sid: Mapped[str]
    account_sid: Mapped[str]
    duration_seconds: Mapped[int | None] = mapped_column(default=None)
    content_type: Mapped[str | None] = mapped_column(default=None)
    size_bytes: Mapped[int | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime]


class CallSettings(CompanyColumn, Base):
    """How a company telephones; a company without a row has the defaults."""

    __tablename__ = "call_settings"
    __table_args__ = tenant_args(CheckConstraint("ring_seconds BETWEEN 5 AND 120", name="ring_seconds"))

    record_calls: Mapped[bool] = mapped_column(server_default=text("false"))
    block_opted_out: Mapped[bool] = mapped_column(server_default=text("false"))
    ring_seconds: Mapped[int] = mapped_column(server_default=text("20"))
    voicemail_greeting: Mapped[str] = mapped_column(server_default="")
    updated_at: Mapped[datetime]


class RingEntry(CompanyColumn, Base):
    """Whose telephone rings when somebody calls the company, in the order of `position`."""

    __tablename__ = "call_ring_order"
    __table_args__ = tenant_args(
        tenant_reference("user_id", "users", ondelete="CASCADE"), UniqueConstraint("company_id", "position")
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A call with what people need to see of it."""

    call: Call
    conversation_id: UUID | None
    legs: Sequence[CallLeg]
    recordings: Sequence[CallRecording]

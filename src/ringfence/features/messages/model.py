"""Tables of the messages room."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.features.audit_log.model import ACTOR_KINDS
from ringfence.features.messages.values import DIRECTIONS, ENCODINGS, MEDIA_STATUSES, SOURCES, STATUSES
from ringfence.tenancy.tables import CompanyColumn, TenantTable, one_of, tenant_args, tenant_reference


class Message(TenantTable, Base):
    """One text. `status` only moves forward; it is in no index, so that updates stay cheap (HOT)."""

    __tablename__ = "sms_messages"
    __table_args__ = (
        one_of("direction", DIRECTIONS),
        one_of("status", STATUSES),
        one_of("encoding", ENCODINGS),
        one_of("source", SOURCES),
        tenant_reference("conversation_id", "conversations"),
        tenant_reference("phone_number_id", "phone_numbers"),
        tenant_reference("contact_id", "contacts", ondelete="SET NULL"),
        tenant_reference("retry_of", "sms_messages"),
        tenant_reference("template_id", "sms_templates"),
        tenant_reference("bulk_send_id", "bulk_sends"),
        # Partial: in a full unique index the SID would be part of a key, and setting it would make every writer of the
        # timeline wait (its reference locks the text's keys), the dispatcher too, which holds what callbacks wait for.
        Index(
            "uq_sms_messages_company_id_twilio_sid",
            "company_id",
            "twilio_sid",
            unique=True,
            postgresql_where=text("twilio_sid IS NOT NULL"),
        ),
        Index(None, "company_id", "created_at", "id"),
        Index(None, "company_id", "conversation_id", "created_at", "id"),
        Index(None, "company_id", "to_number", "created_at"),
        Index(None, "company_id", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
        Index(
            "ix_sms_messages_bulk",
            "company_id",
            "bulk_send_id",
            "created_at",
            postgresql_where=text("bulk_send_id IS NOT NULL"),
        ),
        # Few texts have an error: the latest is found without reading all that went well.
        Index("ix_sms_messages_failed", "company_id", "created_at", postgresql_where=text("error_code IS NOT NULL")),
        {"info": {"fence": "tenant"}, "postgresql_with": {"fillfactor": 90}},
    )

    conversation_id: Mapped[UUID | None]
    phone_number_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    direction: Mapped[str]
    status: Mapped[str]
    from_number: Mapped[str | None]
    to_number: Mapped[str]
    body: Mapped[str]
    encoding: Mapped[str]
    num_segments: Mapped[int]
    num_media: Mapped[int] = mapped_column(server_default=text("0"))
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    source: Mapped[str]
    account_sid: Mapped[str | None] = mapped_column(default=None)
    twilio_sid: Mapped[str | None] = mapped_column(default=None)
    error_code: Mapped[int | None] = mapped_column(default=None)
    refusal_code: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    not_before: Mapped[datetime | None] = mapped_column(default=None)
    # A person decided that the text need not wait for the company's hours and budget.
    released_at: Mapped[datetime | None] = mapped_column(default=None)
    retry_of: Mapped[UUID | None] = mapped_column(default=None)
    template_id: Mapped[UUID | None] = mapped_column(default=None)
    bulk_send_id: Mapped[UUID | None] = mapped_column(default=None)
    created_by: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)
    # What Twilio charged, in millionths of a unit of the currency; a cost is positive. It comes late, or never.
    price_micros: Mapped[int | None] = mapped_column(BigInteger, default=None)
    price_currency: Mapped[str | None] = mapped_column(default=None)
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


class MediaUpload(TenantTable, Base):
    """A file that somebody uploaded to send it. It stays while a text carries it, and at least until `keep_until`.

    `is_ready` once the file is whole; a row without it is what a process that died has left.
    """

    __tablename__ = "media_uploads"
    __table_args__ = tenant_args(
        one_of("actor_kind", ACTOR_KINDS),
        Index(None, "company_id", "created_at"),
        Index(None, "company_id", "keep_until"),
    )

    file_name: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int]
    is_ready: Mapped[bool]
    keep_until: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    created_at: Mapped[datetime]


class Media(TenantTable, Base):
    """One picture or file of a text. Stored ones are under MEDIA_DIR, named by company and id only.

    One with an `upload_id` is that upload, and its file bears the upload's id.
    """

    __tablename__ = "sms_media"
    __table_args__ = tenant_args(
        one_of("status", MEDIA_STATUSES),
        tenant_reference("message_id", "sms_messages", ondelete="CASCADE"),
        tenant_reference("upload_id", "media_uploads"),
        UniqueConstraint("company_id", "message_id", "position"),
        Index(None, "company_id", "upload_id", postgresql_where=text("upload_id IS NOT NULL")),
    )

    message_id: Mapped[UUID]
    position: Mapped[int]
    status: Mapped[str]
    source_url: Mapped[str]
    content_type: Mapped[str | None] = mapped_column(default=None)
    size_bytes: Mapped[int | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)
    upload_id: Mapped[UUID | None] = mapped_column(default=None)
    created_at: Mapped[datetime]

    @property
    def file_id(self) -> UUID:
        """What its file is named by."""
        return self.upload_id or self.id


class MessageWord(CompanyColumn, Base):
    """One word of one text, for the search; `at` is when the text was made.

    Without a reference to the text, which would cost every text as many look-ups as it has words: whatever the search
    finds is read from the texts themselves.
    """

    __tablename__ = "message_words"
    __table_args__ = tenant_args()

    term: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)


class MessageEvent(TenantTable, Base):
    """One line of a text's timeline: what happened to it, when, and why."""

    __tablename__ = "message_events"
    __table_args__ = tenant_args(
        tenant_reference("message_id", "sms_messages", ondelete="CASCADE"),
        Index(None, "company_id", "message_id", "id"),
    )

    message_id: Mapped[UUID]
    at: Mapped[datetime]
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]


class BulkCountChange(TenantTable, Base):
    """A text of a bulk send came to a status (+1) or left it (-1); the bulk room adds these up and deletes them.

    Rows that nobody else touches: with one counter a status, everybody who settles texts would wait for everybody.
    """

    __tablename__ = "bulk_count_changes"
    __table_args__ = tenant_args(
        tenant_reference("bulk_send_id", "bulk_sends", ondelete="CASCADE"), Index(None, "company_id", "bulk_send_id")
    )

    bulk_send_id: Mapped[UUID]
    status: Mapped[str]
    code: Mapped[str]
    change: Mapped[int]


class BudgetUse(CompanyColumn, Base):
    """What one text took of a day's budget; kept while the company has a budget."""

    __tablename__ = "budget_use"
    __table_args__ = tenant_args(
        tenant_reference("message_id", "sms_messages", ondelete="CASCADE"), Index(None, "company_id", "day")
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date]
    segments: Mapped[int]


class WebhookEvent(TenantTable, Base):
    """Intake: every genuine webhook, once. `dedupe_key` is made of Twilio's own facts (SID, status, code)."""

    __tablename__ = "webhook_events"
    __table_args__ = tenant_args(UniqueConstraint("company_id", "dedupe_key"), Index(None, "company_id", "received_at"))

    kind: Mapped[str]
    dedupe_key: Mapped[str]
    message_id: Mapped[UUID | None]
    parameters: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]


class IdempotencyKey(CompanyColumn, Base):
    """The first answer to a request that carried an Idempotency-Key, kept for 24 hours."""

    __tablename__ = "idempotency_keys"
    __table_args__ = tenant_args(Index(None, "company_id", "created_at"))

    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    status_code: Mapped[int]
    response: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

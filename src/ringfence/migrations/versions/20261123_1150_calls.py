"""Calls with their legs and recordings, how a company telephones, and people's telephones."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261123_1150"
down_revision = "20261123_1140"
branch_labels = None
depends_on = None

TABLES = ("call_settings", "call_ring_order", "calls", "call_legs", "call_recordings")


def upgrade() -> None:
    op.create_table(
        "call_settings",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("record_calls", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("block_opted_out", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ring_seconds", sa.Integer(), server_default=sa.text("20"), nullable=False),
        sa.Column("voicemail_greeting", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ring_seconds BETWEEN 5 AND 120", name=op.f("ck_call_settings_ring_seconds")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_call_settings_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_call_settings")),
    )
    op.create_table(
        "call_ring_order",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_call_ring_order_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_call_ring_order_company_id")),
        sa.PrimaryKeyConstraint("company_id", "user_id", name=op.f("pk_call_ring_order")),
        sa.UniqueConstraint("company_id", "position", name=op.f("uq_call_ring_order_company_id_position")),
    )
    op.create_table(
        "calls",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("phone_number_id", sa.Uuid(), nullable=False),
        sa.Column("our_number", sa.Text(), nullable=False),
        sa.Column("outside_number", sa.Text(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("redial_of", sa.Uuid(), nullable=True),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hang_up_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name=op.f("ck_calls_direction")),
        sa.CheckConstraint("source IN ('api', 'console', 'redial', 'webhook')", name=op.f("ck_calls_source")),
        sa.CheckConstraint(
            "status IN ('queued', 'unconfirmed', 'initiated', 'ringing', 'in_progress', 'completed', 'busy', 'no_answer', 'failed', 'canceled')",
            name=op.f("ck_calls_status"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "contact_id"],
            ["contacts.company_id", "contacts.id"],
            name=op.f("fk_calls_company_id_contact_id"),
            ondelete="SET NULL (contact_id)",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "phone_number_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_calls_company_id_phone_number_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "redial_of"],
            ["calls.company_id", "calls.id"],
            name=op.f("fk_calls_company_id_redial_of"),
            ondelete="SET NULL (redial_of)",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_calls_company_id_user_id"),
            ondelete="SET NULL (user_id)",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_calls_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_calls")),
    )
    op.create_index(op.f("ix_calls_company_id_contact_id"), "calls", ["company_id", "contact_id"])
    op.create_index(op.f("ix_calls_company_id_created_at_id"), "calls", ["company_id", "created_at", "id"])
    op.create_index(
        op.f("ix_calls_company_id_outside_number_created_at_id"),
        "calls",
        ["company_id", "outside_number", "created_at", "id"],
    )
    op.create_index(op.f("ix_calls_company_id_user_id_created_at"), "calls", ["company_id", "user_id", "created_at"])
    op.create_index(
        "ix_calls_unfinished",
        "calls",
        ["company_id", "updated_at"],
        postgresql_where=sa.text("status NOT IN ('busy', 'canceled', 'completed', 'failed', 'no_answer')"),
    )
    op.create_table(
        "call_legs",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("twilio_sid", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="planned", nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('user', 'contact')", name=op.f("ck_call_legs_role")),
        sa.CheckConstraint(
            "status IN ('planned', 'initiated', 'ringing', 'in_progress', 'completed', 'busy', 'no_answer', 'failed', 'canceled')",
            name=op.f("ck_call_legs_status"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "call_id"],
            ["calls.company_id", "calls.id"],
            name=op.f("fk_call_legs_company_id_call_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_call_legs_company_id_user_id"),
            ondelete="SET NULL (user_id)",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_call_legs_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_call_legs")),
        sa.UniqueConstraint("company_id", "call_id", "position", name=op.f("uq_call_legs_company_id_call_id_position")),
        sa.UniqueConstraint("company_id", "twilio_sid", name=op.f("uq_call_legs_company_id_twilio_sid")),
    )
    op.create_table(
        "call_recordings",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("twilio_sid", sa.Text(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('call', 'voicemail')", name=op.f("ck_call_recordings_kind")),
        sa.CheckConstraint("status IN ('pending', 'stored', 'failed')", name=op.f("ck_call_recordings_status")),
        sa.ForeignKeyConstraint(
            ["company_id", "call_id"],
            ["calls.company_id", "calls.id"],
            name=op.f("fk_call_recordings_company_id_call_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_call_recordings_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_call_recordings")),
        sa.UniqueConstraint("company_id", "twilio_sid", name=op.f("uq_call_recordings_company_id_twilio_sid")),
    )
    op.create_index(op.f("ix_call_recordings_company_id_call_id"), "call_recordings", ["company_id", "call_id"])
    op.add_column("users", sa.Column("phone", sa.Text(), nullable=True))
    for table in TABLES:
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_column("users", "phone")
    for table in reversed(TABLES):
        op.drop_table(table)

"""Scheduled texts, and which companies have some due."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261123_1220"
down_revision = "20261123_1210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scheduled_sms",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column("variables", postgresql.JSONB(), nullable=False),
        sa.Column("media_urls", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("local_time", sa.Text(), nullable=True),
        sa.Column("zones", postgresql.JSONB(), nullable=False),
        sa.Column("cancel_if_reply", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'sent', 'failed', 'canceled', 'expired')", name=op.f("ck_scheduled_sms_status")
        ),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'api_key', 'system', 'platform')", name=op.f("ck_scheduled_sms_actor_kind")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_scheduled_sms_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "contact_id"],
            ["contacts.company_id", "contacts.id"],
            name=op.f("fk_scheduled_sms_company_id_contact_id"),
            ondelete="SET NULL (contact_id)",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "template_id"],
            ["sms_templates.company_id", "sms_templates.id"],
            name=op.f("fk_scheduled_sms_company_id_template_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "message_id"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_scheduled_sms_company_id_message_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_scheduled_sms")),
    )
    op.create_index(
        "ix_scheduled_sms_pending",
        "scheduled_sms",
        ["company_id", "due_at", "id"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_scheduled_sms_if_reply",
        "scheduled_sms",
        ["company_id", "to_number"],
        postgresql_where=sa.text("status = 'pending' AND cancel_if_reply"),
    )
    op.create_index(op.f("ix_scheduled_sms_company_id_due_at_id"), "scheduled_sms", ["company_id", "due_at", "id"])
    op.create_table(
        "schedule_due",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("next_due", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_schedule_due_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_schedule_due")),
    )
    op.create_index(op.f("ix_schedule_due_next_due"), "schedule_due", ["next_due"])
    for statement in policies.fence_tenant_table("scheduled_sms"):
        op.execute(statement)
    fence = policies.fence_directory_table(
        "schedule_due", app_may_see=("company_id", "next_due"), app_may_update=("next_due",)
    )
    for statement in fence:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("schedule_due")
    op.drop_table("scheduled_sms")

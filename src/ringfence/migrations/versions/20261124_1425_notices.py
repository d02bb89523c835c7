"""Notices to people, and what each of them wants to be told."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1425"
down_revision = "20261124_1423"
branch_labels = None
depends_on = None

KINDS = "'message.received', 'conversation.assigned', 'bulk.paused', 'webhook.disabled', 'twilio.failing'"


def upgrade() -> None:
    op.create_table(
        "notice_preferences",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("browser", sa.Boolean(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("email IN ('off', 'at_once', 'digest')", name=op.f("ck_notice_preferences_email")),
        sa.CheckConstraint("about IN ('mine', 'unassigned', 'all')", name=op.f("ck_notice_preferences_about")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_notice_preferences_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_notice_preferences_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "user_id", name=op.f("pk_notice_preferences")),
    )
    op.create_table(
        "notices",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_notices_kind")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_notices_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_notices_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "conversation_id"],
            ["conversations.company_id", "conversations.id"],
            name=op.f("fk_notices_company_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_notices")),
    )
    op.create_index(
        "uq_notices_unread",
        "notices",
        ["company_id", "user_id", "kind", "subject_id"],
        unique=True,
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_index(
        op.f("ix_notices_company_id_user_id_updated_at_id"), "notices", ["company_id", "user_id", "updated_at", "id"]
    )
    op.create_index(op.f("ix_notices_company_id_updated_at"), "notices", ["company_id", "updated_at"])
    for table in ("notices", "notice_preferences"):
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("notices")
    op.drop_table("notice_preferences")

"""Endpoints of outgoing webhooks, their deliveries, which companies have some due, and readers of the event log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261124_1415"
down_revision = "20261124_1400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("sealed_old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_webhook_endpoints_status")),
        sa.CheckConstraint(
            "disabled_reason IN ('by_person', 'gone', 'failing')", name=op.f("ck_webhook_endpoints_disabled_reason")
        ),
        sa.CheckConstraint(
            "(status = 'disabled') = (disabled_reason IS NOT NULL)",
            name=op.f("ck_webhook_endpoints_disabled_for_a_reason"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_webhook_endpoints_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_webhook_endpoints_company_id_created_by"),
            ondelete="SET NULL (created_by)",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index(
        op.f("ix_webhook_endpoints_company_id_created_at_id"), "webhook_endpoints", ["company_id", "created_at", "id"]
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_excerpt", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed', 'skipped')", name=op.f("ck_webhook_deliveries_state")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_webhook_deliveries_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "endpoint_id"],
            ["webhook_endpoints.company_id", "webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_company_id_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "company_id", "endpoint_id", "event_id", name=op.f("uq_webhook_deliveries_company_id_endpoint_id_event_id")
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["company_id", "endpoint_id", "due_at", "id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_claimed",
        "webhook_deliveries",
        ["company_id", "endpoint_id", "claimed_until"],
        postgresql_where=sa.text("claimed_until IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_company_id_endpoint_id_created_at_id"),
        "webhook_deliveries",
        ["company_id", "endpoint_id", "created_at", "id"],
    )
    op.create_index(
        op.f("ix_webhook_deliveries_company_id_created_at"), "webhook_deliveries", ["company_id", "created_at"]
    )
    op.create_table(
        "webhook_due",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("next_due", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_webhook_due_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_webhook_due")),
    )
    op.create_index(op.f("ix_webhook_due_next_due"), "webhook_due", ["next_due"])
    op.create_table(
        "event_readers",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("read_to", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_event_readers_company_id")),
        sa.PrimaryKeyConstraint("company_id", "name", name=op.f("pk_event_readers")),
    )
    fence = policies.fence_directory_table(
        "webhook_due", app_may_see=("company_id", "next_due"), app_may_update=("next_due",)
    )
    for statement in (
        *policies.fence_tenant_table("event_readers"),
        *policies.fence_tenant_table("webhook_endpoints"),
        *policies.fence_tenant_table("webhook_deliveries"),
        *fence,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("event_readers")
    op.drop_table("webhook_due")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_endpoints")

"""A company's rules for its texts, the budget's ledger, and texts that a person let go."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261123_1210"
down_revision = "20261123_1200"
branch_labels = None
depends_on = None

OLD_SOURCES = "source IN ('api', 'console', 'retry', 'webhook', 'sync')"
NEW_SOURCES = "source IN ('api', 'console', 'retry', 'scheduled', 'auto_reply', 'webhook', 'sync')"


def upgrade() -> None:
    op.add_column(
        "company_settings",
        sa.Column("texting", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("sms_messages", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    _allow(NEW_SOURCES)
    op.create_table(
        "budget_use",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_budget_use_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "message_id"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_budget_use_company_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "message_id", name=op.f("pk_budget_use")),
    )
    op.create_index(op.f("ix_budget_use_company_id_day"), "budget_use", ["company_id", "day"])
    for statement in policies.fence_tenant_table("budget_use"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("budget_use")
    _allow(OLD_SOURCES)
    op.drop_column("sms_messages", "released_at")
    op.drop_column("company_settings", "texting")


def _allow(sources: str) -> None:
    """A check is validated by the table itself, not through a query, so row-level security is not in its way."""
    op.drop_constraint(op.f("ck_sms_messages_source"), "sms_messages")
    op.create_check_constraint(op.f("ck_sms_messages_source"), "sms_messages", sources)

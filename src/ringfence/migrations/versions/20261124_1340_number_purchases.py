"""Purchases of numbers: written down before Twilio is asked."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1340"
down_revision = "20261124_1325"
branch_labels = None
depends_on = None

TABLE = "number_purchases"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("phone_number", sa.Text(), nullable=False),
        sa.Column("friendly_name", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("twilio_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("phone_number_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('buying', 'unknown', 'bought', 'refused', 'not_bought', 'unconfirmed')",
            name=op.f("ck_number_purchases_status"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_number_purchases_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "phone_number_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_number_purchases_company_id_phone_number_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_number_purchases")),
    )
    op.create_index(
        "uq_number_purchases_open",
        TABLE,
        ["company_id", "phone_number"],
        unique=True,
        postgresql_where=sa.text("status IN ('buying', 'unknown')"),
    )
    op.create_index(
        "uq_number_purchases_idempotency_key",
        TABLE,
        ["company_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_number_purchases_company_id_phone_number_id"),
        TABLE,
        ["company_id", "phone_number_id"],
        postgresql_where=sa.text("phone_number_id IS NOT NULL"),
    )
    for statement in policies.fence_tenant_table(TABLE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table(TABLE)

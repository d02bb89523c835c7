"""Recipient lists of bulk sends."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261124_1440"
down_revision = "20261124_1425"
branch_labels = None
depends_on = None

TENANT = ("bulk_lists", "bulk_list_parcels")
_COUNTS = ("rows_done", "recipients_count", "duplicate_count", "bad_count")


def upgrade() -> None:
    _create_lists()
    _create_parcels()
    for table in TENANT:
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    for table in reversed(TENANT):
        op.drop_table(table)


def _create_lists() -> None:
    op.create_table(
        "bulk_lists",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("file_kind", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("separator", sa.Text(), nullable=True),
        sa.Column("has_header", sa.Boolean(), nullable=True),
        sa.Column("columns", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("mapping", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("filter_tag", sa.Text(), nullable=True),
        sa.Column("filter_search", sa.Text(), nullable=True),
        sa.Column("after_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False) for name in _COUNTS),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("source IN ('file', 'contacts')", name=op.f("ck_bulk_lists_source")),
        sa.CheckConstraint(
            "status IN ('draft', 'reading', 'ready', 'failed', 'canceled')", name=op.f("ck_bulk_lists_status")
        ),
        sa.CheckConstraint("file_kind IN ('csv', 'xlsx')", name=op.f("ck_bulk_lists_file_kind")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_lists_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_bulk_lists_company_id_created_by"),
            ondelete="SET NULL (created_by)",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_bulk_lists")),
    )
    op.create_index(op.f("ix_bulk_lists_company_id_created_at_id"), "bulk_lists", ["company_id", "created_at", "id"])


def _create_parcels() -> None:
    op.create_table(
        "bulk_list_parcels",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("begins_at", sa.Integer(), nullable=False),
        sa.Column("last_position", sa.Integer(), nullable=False),
        sa.Column("recipients_count", sa.Integer(), nullable=False),
        sa.Column("rejected_count", sa.Integer(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("rejected", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_list_parcels_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "list_id"],
            ["bulk_lists.company_id", "bulk_lists.id"],
            name=op.f("fk_bulk_list_parcels_company_id_list_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_bulk_list_parcels")),
    )
    op.create_index(
        op.f("ix_bulk_list_parcels_company_id_list_id_begins_at"),
        "bulk_list_parcels",
        ["company_id", "list_id", "begins_at"],
        unique=True,
    )
    op.create_index(
        op.f("ix_bulk_list_parcels_company_id_list_id_last_position"),
        "bulk_list_parcels",
        ["company_id", "list_id", "last_position"],
    )

"""Templates, and which template a text was made with."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261123_1000"
down_revision = "20261123_0910"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sms_templates",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_norm", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("usage_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sms_templates_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_sms_templates_company_id_created_by"),
            ondelete="SET NULL (created_by)",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_sms_templates")),
    )
    op.create_index(
        "uq_sms_templates_company_id_name_norm",
        "sms_templates",
        ["company_id", "name_norm"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        op.f("ix_sms_templates_company_id_created_at_id"), "sms_templates", ["company_id", "created_at", "id"]
    )
    op.add_column("sms_messages", sa.Column("template_id", sa.Uuid(), nullable=True))
    # The check of the rows that are there must see them all: under FORCE it would see none, and say that it is fine.
    op.execute("ALTER TABLE sms_messages NO FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        op.f("fk_sms_messages_company_id_template_id"),
        "sms_messages",
        "sms_templates",
        ["company_id", "template_id"],
        ["company_id", "id"],
        ondelete="RESTRICT",
    )
    op.execute("ALTER TABLE sms_messages FORCE ROW LEVEL SECURITY")
    for statement in policies.fence_tenant_table("sms_templates"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_constraint(op.f("fk_sms_messages_company_id_template_id"), "sms_messages")
    op.drop_column("sms_messages", "template_id")
    op.drop_table("sms_templates")

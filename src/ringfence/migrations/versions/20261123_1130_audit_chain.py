"""Seals that make a chain of each company's audit log, which from now on the app role may only add to."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261123_1130"
down_revision = "20261123_1000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("latest_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry_hash", sa.LargeBinary(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_audit_seals_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "entry_id"],
            ["audit_log.company_id", "audit_log.id"],
            name=op.f("fk_audit_seals_company_id_entry_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("company_id", "seq", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("company_id", "entry_id", name=op.f("uq_audit_seals_company_id_entry_id")),
    )
    for statement in (
        *policies.fence_tenant_table("audit_seals"),
        *policies.make_append_only("audit_seals"),
        *policies.make_append_only("audit_log"),
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_seals")
    op.execute(f"GRANT UPDATE, DELETE ON audit_log TO {policies.APP}")

"""Links to new passwords, the directory rows that lead to them, and the count of requests for them."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261123_1140"
down_revision = "20261123_1130"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "password_resets",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_link", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_password_resets_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_password_resets_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requested_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_password_resets_company_id_requested_by"),
            ondelete="SET NULL (requested_by)",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_password_resets")),
    )
    op.create_index(op.f("ix_password_resets_company_id_user_id"), "password_resets", ["company_id", "user_id"])
    op.create_table(
        "directory_password_resets",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("reset_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_password_resets_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "reset_id"],
            ["password_resets.company_id", "password_resets.id"],
            name=op.f("fk_directory_password_resets_company_id_reset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_directory_password_resets")),
    )
    op.create_table(
        "reset_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reset_requests")),
    )
    for columns in (["email_norm", "requested_at"], ["address", "requested_at"], ["requested_at"]):
        op.create_index(op.f(f"ix_reset_requests_{'_'.join(columns)}"), "reset_requests", columns)
    for statement in (
        *policies.fence_tenant_table("password_resets"),
        *policies.fence_directory_table("directory_password_resets", app_may_see=("company_id", "reset_id")),
        *policies.platform_table("reset_requests"),
    ):
        op.execute(statement)


def downgrade() -> None:
    for table in ("reset_requests", "directory_password_resets", "password_resets"):
        op.drop_table(table)

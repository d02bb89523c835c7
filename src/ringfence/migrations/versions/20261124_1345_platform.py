"""Super admins' visits to companies, what they see of a company's health, and an index for its last error."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1345"
down_revision = "20261124_1343"
branch_labels = None
depends_on = None

FAILED = "ix_sms_messages_failed"
HEALTH = (
    "settings_state",
    "settings_reason",
    "settings_since",
    "numbers",
    "queued",
    "waiting_since",
    "last_error_code",
    "last_error_at",
    "last_activity_at",
    "checked_at",
)


def upgrade() -> None:
    # First: what stands before it is committed with it, and this is the part that can be broken off.
    with op.get_context().autocommit_block():
        # An earlier try that was broken off leaves an invalid index behind.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {FAILED}")
        op.create_index(
            FAILED,
            "sms_messages",
            ["company_id", "created_at"],
            postgresql_where=sa.text("error_code IS NOT NULL"),
            postgresql_concurrently=True,
        )
    op.create_table(
        "company_visits",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_company_visits_company_id")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["platform_sessions.id"], name=op.f("fk_company_visits_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_company_visits")),
    )
    op.create_table(
        "company_health",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("settings_state", sa.Text(), nullable=False),
        sa.Column("settings_reason", sa.Text(), nullable=True),
        sa.Column("settings_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error_code", sa.Integer(), nullable=True),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "settings_state IN ('none', 'verified', 'unverified', 'suspended')",
            name=op.f("ck_company_health_settings_state"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_company_health_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_company_health")),
    )
    health = policies.fence_directory_table(
        "company_health", app_may_see=("company_id", *HEALTH), app_may_update=HEALTH
    )
    for statement in (*policies.platform_table("company_visits"), *health):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(FAILED, "sms_messages")
    op.drop_table("company_health")
    op.drop_table("company_visits")

"""Syncs with Twilio: runs with their progress, how far each was brought, and what standing sweeps mended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261124_1420"
down_revision = "20261124_1415"
branch_labels = None
depends_on = None

TENANT = ("sync_runs", "sync_marks", "sync_mended")


def upgrade() -> None:
    _runs()
    op.create_table(
        "sync_marks",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("looked_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sync_marks_company_id")),
        sa.PrimaryKeyConstraint("company_id", "mark", name=op.f("pk_sync_marks")),
    )
    op.create_table(
        "sync_mended",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sync_mended_company_id")),
        sa.PrimaryKeyConstraint("company_id", "day", "what", name=op.f("pk_sync_mended")),
    )
    for table in TENANT:
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)
    _call_sources("'api', 'console', 'redial', 'webhook', 'sync'")
    op.execute(f"GRANT INSERT (priority) ON procrastinate_jobs TO {policies.APP}")


def downgrade() -> None:
    op.execute(f"REVOKE INSERT (priority) ON procrastinate_jobs FROM {policies.APP}")
    op.execute("ALTER TABLE calls NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE calls SET source = 'webhook' WHERE source = 'sync'")
    op.execute("ALTER TABLE calls FORCE ROW LEVEL SECURITY")
    _call_sources("'api', 'console', 'redial', 'webhook'")
    for table in reversed(TENANT):
        op.drop_table(table)


def _runs() -> None:
    op.create_table(
        "sync_runs",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("stages", postgresql.JSONB(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("asked_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("stage_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage_began", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("step", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("news", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('phone_numbers', 'messages', 'calls', 'full', 'sweep')", name=op.f("ck_sync_runs_kind")
        ),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_sync_runs_state")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sync_runs_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_sync_runs")),
    )
    op.create_index(
        "uq_sync_runs_under_way",
        "sync_runs",
        ["company_id", "standing"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(op.f("ix_sync_runs_company_id_created_at_id"), "sync_runs", ["company_id", "created_at", "id"])


def _call_sources(listed: str) -> None:
    # The check of the rows that are there must see them all.
    op.drop_constraint(op.f("ck_calls_source"), "calls", type_="check")
    op.execute("ALTER TABLE calls NO FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE calls ADD CONSTRAINT ck_calls_source CHECK (source IN ({listed})) NOT VALID")
    op.execute("ALTER TABLE calls VALIDATE CONSTRAINT ck_calls_source")
    op.execute("ALTER TABLE calls FORCE ROW LEVEL SECURITY")

"""Bulk sends: what goes to whom, what became of it, and which text belongs to which send."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261124_1441"
down_revision = "20261124_1440"
branch_labels = None
depends_on = None

OLD_SOURCES = "source IN ('api', 'console', 'retry', 'scheduled', 'auto_reply', 'webhook', 'sync')"
NEW_SOURCES = "source IN ('api', 'console', 'retry', 'scheduled', 'bulk', 'auto_reply', 'webhook', 'sync')"
TENANT_TABLES = (
    "bulk_sends",
    "bulk_senders",
    "bulk_recipients",
    "bulk_counts",
    "bulk_count_changes",
    "segment_prices",
)


def upgrade() -> None:
    _sends()
    _recipients_and_counts()
    op.create_table(
        "bulk_due",
        _company(),
        sa.Column("next_due", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_due_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_bulk_due")),
    )
    op.create_index(op.f("ix_bulk_due_next_due"), "bulk_due", ["next_due"])
    op.create_table(
        "segment_prices",
        _company(),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("micros >= 0", name=op.f("ck_segment_prices_micros")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_segment_prices_company_id")),
        sa.PrimaryKeyConstraint("company_id", "country", name=op.f("pk_segment_prices")),
    )
    # Before the fences: checking that no text refers to nothing reads both tables.
    _texts()
    for table in TENANT_TABLES:
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)
    fence = policies.fence_directory_table(
        "bulk_due", app_may_see=("company_id", "next_due"), app_may_update=("next_due",)
    )
    for statement in fence:
        op.execute(statement)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_sms_messages_source"), "sms_messages")
    op.create_check_constraint(op.f("ck_sms_messages_source"), "sms_messages", OLD_SOURCES)
    op.drop_column("sms_messages", "bulk_send_id")
    for table in (
        "segment_prices",
        "bulk_due",
        "bulk_count_changes",
        "bulk_counts",
        "bulk_recipients",
        "bulk_senders",
        "bulk_sends",
    ):
        op.drop_table(table)


def _company() -> sa.Column[object]:
    return sa.Column("company_id", sa.Uuid(), nullable=False)


def _sends() -> None:
    op.create_table(
        "bulk_sends",
        _company(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column("variables", postgresql.JSONB(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_of", sa.Uuid(), nullable=True),
        sa.Column("retry_unconfirmed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("canary", sa.Text(), nullable=False),
        sa.Column("canary_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("canary_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canary_wait_seconds", sa.Integer(), nullable=False),
        sa.Column("most_failed_percent", sa.Integer(), nullable=False),
        sa.Column("most_opt_out_percent", sa.Integer(), nullable=False),
        sa.Column("recipients_count", sa.Integer(), nullable=False),
        sa.Column("rehearsed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rehearsal", postgresql.JSONB(), nullable=True),
        sa.Column("rehearsed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("opt_outs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("topped_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'rehearsing', 'ready', 'scheduled', 'running', 'paused', 'stopped', 'done')",
            name=op.f("ck_bulk_sends_status"),
        ),
        sa.CheckConstraint("canary IN ('off', 'sending', 'passed', 'overruled')", name=op.f("ck_bulk_sends_canary")),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'api_key', 'system', 'platform')", name=op.f("ck_bulk_sends_actor_kind")
        ),
        sa.CheckConstraint("taken <= recipients_count", name=op.f("ck_bulk_sends_taken")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_sends_company_id")),
        _reference("bulk_sends", "list_id", "bulk_lists"),
        _reference("bulk_sends", "template_id", "sms_templates"),
        _reference("bulk_sends", "retry_of", "bulk_sends"),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_bulk_sends")),
    )
    op.create_index(op.f("ix_bulk_sends_company_id_created_at_id"), "bulk_sends", ["company_id", "created_at", "id"])
    op.create_index(
        "ix_bulk_sends_open",
        "bulk_sends",
        ["company_id", "topped_up_at"],
        postgresql_where=sa.text("status IN ('scheduled', 'running')"),
    )


def _recipients_and_counts() -> None:
    op.create_table(
        "bulk_senders",
        _company(),
        sa.Column("bulk_send_id", sa.Uuid(), nullable=False),
        sa.Column("phone_number_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_senders_company_id")),
        _reference("bulk_senders", "bulk_send_id", "bulk_sends", ondelete="CASCADE"),
        _reference("bulk_senders", "phone_number_id", "phone_numbers"),
        sa.PrimaryKeyConstraint("company_id", "bulk_send_id", "phone_number_id", name=op.f("pk_bulk_senders")),
    )
    op.create_table(
        "bulk_recipients",
        _company(),
        sa.Column("bulk_send_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('handed_in', 'skipped', 'waiting')", name=op.f("ck_bulk_recipients_state")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_recipients_company_id")),
        _reference("bulk_recipients", "bulk_send_id", "bulk_sends", ondelete="CASCADE"),
        _reference("bulk_recipients", "message_id", "sms_messages"),
        sa.PrimaryKeyConstraint("company_id", "bulk_send_id", "position", name=op.f("pk_bulk_recipients")),
        postgresql_with={"fillfactor": 90},
    )
    op.create_index(
        "uq_bulk_recipients_company_id_message_id",
        "bulk_recipients",
        ["company_id", "message_id"],
        unique=True,
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(
        "ix_bulk_recipients_waiting",
        "bulk_recipients",
        ["company_id", "bulk_send_id", "not_before", "position"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "bulk_counts",
        _company(),
        sa.Column("bulk_send_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_counts_company_id")),
        _reference("bulk_counts", "bulk_send_id", "bulk_sends", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("company_id", "bulk_send_id", "status", "code", name=op.f("pk_bulk_counts")),
    )
    op.create_table(
        "bulk_count_changes",
        _company(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bulk_send_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_bulk_count_changes_company_id")),
        _reference("bulk_count_changes", "bulk_send_id", "bulk_sends", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_bulk_count_changes")),
    )
    op.create_index(
        op.f("ix_bulk_count_changes_company_id_bulk_send_id"), "bulk_count_changes", ["company_id", "bulk_send_id"]
    )


def _texts() -> None:
    """Which text belongs to which bulk send."""
    op.add_column("sms_messages", sa.Column("bulk_send_id", sa.Uuid(), nullable=True))
    op.drop_constraint(op.f("ck_sms_messages_source"), "sms_messages")
    op.create_check_constraint(op.f("ck_sms_messages_source"), "sms_messages", NEW_SOURCES)
    # The check of the rows that are there must see them all: under FORCE it would see none, and say that it is fine.
    op.execute("ALTER TABLE sms_messages NO FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        op.f("fk_sms_messages_company_id_bulk_send_id"),
        "sms_messages",
        "bulk_sends",
        ["company_id", "bulk_send_id"],
        ["company_id", "id"],
        ondelete="RESTRICT",
    )
    op.execute("ALTER TABLE sms_messages FORCE ROW LEVEL SECURITY")


def _reference(table: str, column: str, target: str, *, ondelete: str = "RESTRICT") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["company_id", column],
        [f"{target}.company_id", f"{target}.id"],
        name=op.f(f"fk_{table}_company_id_{column}"),
        ondelete=ondelete,
    )

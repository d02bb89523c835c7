"""States of conversations, what each person has read of them, and notes."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1421"
down_revision = "20261124_1420"
branch_labels = None
depends_on = None

KEPT = "deleted_at IS NULL"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("state", sa.Text(), server_default="open", nullable=False))
    op.execute(
        "ALTER TABLE conversations ADD CONSTRAINT ck_conversations_state CHECK (state IN ('open', 'snoozed', 'done'))"
    )
    for column in ("snoozed_until", "last_inbound_at", "deleted_at"):
        op.add_column("conversations", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "conversation_reads",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_conversation_reads_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "conversation_id"],
            ["conversations.company_id", "conversations.id"],
            name=op.f("fk_conversation_reads_company_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_conversation_reads_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "user_id", "conversation_id", name=op.f("pk_conversation_reads")),
    )
    op.create_table(
        "conversation_notes",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'api_key', 'system', 'platform')", name=op.f("ck_conversation_notes_actor_kind")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_conversation_notes_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "conversation_id"],
            ["conversations.company_id", "conversations.id"],
            name=op.f("fk_conversation_notes_company_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_conversation_notes")),
    )
    op.create_index(
        "ix_conversation_notes_kept",
        "conversation_notes",
        ["company_id", "conversation_id", "created_at", "id"],
        postgresql_where=sa.text(KEPT),
    )
    for table in ("conversation_reads", "conversation_notes"):
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("conversation_notes")
    op.drop_table("conversation_reads")
    for column in ("deleted_at", "last_inbound_at", "snoozed_until", "state"):
        op.drop_column("conversations", column)

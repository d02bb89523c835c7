"""Live events, and how far each company's have come."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1343"
down_revision = "20261124_1340"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_events_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "conversation_id"],
            ["conversations.company_id", "conversations.id"],
            name=op.f("fk_events_company_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_events")),
    )
    op.create_index(
        "ix_events_seq", "events", ["company_id", "seq"], unique=True, postgresql_where=sa.text("seq IS NOT NULL")
    )
    op.create_index("ix_events_waiting", "events", ["company_id", "id"], postgresql_where=sa.text("seq IS NULL"))
    op.create_table(
        "event_heads",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trimmed_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_event_heads_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_event_heads")),
    )
    for statement in (
        *policies.fence_tenant_table("events"),
        *policies.fence_tenant_table("event_heads"),
        # An event is appended, gets its place, and goes: nothing of it is ever rewritten, and a head never goes.
        f"REVOKE UPDATE ON events FROM {policies.APP}",
        f"GRANT UPDATE (seq) ON events TO {policies.APP}",
        f"REVOKE DELETE ON event_heads FROM {policies.APP}",
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("event_heads")
    op.drop_table("events")

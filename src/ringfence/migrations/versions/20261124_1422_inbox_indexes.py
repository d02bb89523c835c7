"""An index for each way into the list of conversations, in its order, in place of the one for all."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_1422"
down_revision = "20261124_1421"
branch_labels = None
depends_on = None

KEPT = "deleted_at IS NULL"
INDEXES = {
    "ix_conversations_state": (["company_id", "state", "last_message_at", "id"], KEPT),
    "ix_conversations_mine": (
        ["company_id", "assigned_to", "state", "last_message_at", "id"],
        f"assigned_to IS NOT NULL AND {KEPT}",
    ),
    "ix_conversations_unassigned": (
        ["company_id", "state", "last_message_at", "id"],
        f"assigned_to IS NULL AND {KEPT}",
    ),
    "ix_conversations_number": (["company_id", "phone_number_id", "state", "last_message_at", "id"], KEPT),
    "ix_conversations_deleted": (["company_id", "deleted_at", "id"], "deleted_at IS NOT NULL"),
}
BEFORE = "ix_conversations_company_id_last_message_at_id"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, (columns, rows) in INDEXES.items():
            # An earlier try that was broken off leaves an invalid index behind.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name, "conversations", columns, postgresql_where=sa.text(rows), postgresql_concurrently=True
            )
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {BEFORE}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {BEFORE}")
        op.create_index(BEFORE, "conversations", ["company_id", "last_message_at", "id"], postgresql_concurrently=True)
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")

"""The texts of a bulk send are found by it; the index is built while texts go on being written."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_1442"
down_revision = "20261124_1441"
branch_labels = None
depends_on = None

INDEX = "ix_sms_messages_bulk"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An earlier try that was broken off leaves an invalid index behind.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.create_index(
            INDEX,
            "sms_messages",
            ["company_id", "bulk_send_id", "created_at"],
            postgresql_where=sa.text("bulk_send_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")

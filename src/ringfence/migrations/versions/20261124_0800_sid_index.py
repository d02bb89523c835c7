"""Texts' SIDs are unique where there is one: as part of a full key, setting a SID made writers of the timeline wait."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_0800"
down_revision = "20261123_1220"
branch_labels = None
depends_on = None

CONSTRAINT = "uq_sms_messages_company_id_twilio_sid"
PARTIAL = "uq_sms_messages_company_id_twilio_sid_new"
FULL = "uq_sms_messages_company_id_twilio_sid_old"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An earlier try that was broken off leaves an invalid index behind.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {PARTIAL}")
        op.create_index(
            PARTIAL,
            "sms_messages",
            ["company_id", "twilio_sid"],
            unique=True,
            postgresql_where=sa.text("twilio_sid IS NOT NULL"),
            postgresql_concurrently=True,
        )
    op.drop_constraint(CONSTRAINT, "sms_messages")
    op.execute(f"ALTER INDEX {PARTIAL} RENAME TO {CONSTRAINT}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {FULL}")
        op.create_index(FULL, "sms_messages", ["company_id", "twilio_sid"], unique=True, postgresql_concurrently=True)
    op.drop_index(CONSTRAINT, "sms_messages")
    op.execute(f"ALTER TABLE sms_messages ADD CONSTRAINT {CONSTRAINT} UNIQUE USING INDEX {FULL}")

"""Who looks after a conversation, and whether agents see those of others."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_1347"
down_revision = "20261124_1345"
branch_labels = None
depends_on = None

REFERENCE = "fk_conversations_company_id_assigned_to"


def upgrade() -> None:
    op.add_column("company_settings", sa.Column("agents_see", sa.Text(), server_default="all", nullable=False))
    op.create_check_constraint(
        op.f("ck_company_settings_agents_see"), "company_settings", "agents_see IN ('all', 'own_and_unassigned')"
    )
    op.add_column("conversations", sa.Column("assigned_to", sa.Uuid(), nullable=True))
    # Validating reads rows of all companies.
    for table in ("users", "conversations"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        f"ALTER TABLE conversations ADD CONSTRAINT {REFERENCE} FOREIGN KEY (company_id, assigned_to)"
        " REFERENCES users (company_id, id) ON DELETE SET NULL (assigned_to)"
    )
    for table in ("users", "conversations"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.drop_column("conversations", "assigned_to")
    op.drop_column("company_settings", "agents_see")

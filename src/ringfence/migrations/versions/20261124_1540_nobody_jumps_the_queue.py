"""A company's job may stand behind others', never before them: whoever may name a priority may only name a low one."""

from alembic import op

revision = "20261124_1540"
down_revision = "20261124_1442"
branch_labels = None
depends_on = None

CHECK = "ringfence_nobody_goes_first"


def upgrade() -> None:
    op.execute(f"ALTER TABLE procrastinate_jobs ADD CONSTRAINT {CHECK} CHECK (priority <= 0)")


def downgrade() -> None:
    op.execute(f"ALTER TABLE procrastinate_jobs DROP CONSTRAINT {CHECK}")

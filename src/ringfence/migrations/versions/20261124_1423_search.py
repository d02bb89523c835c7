"""The words of texts, for the search; what is stored already is indexed by a job of each company."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1423"
down_revision = "20261124_1422"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_words",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_message_words_company_id")),
        sa.PrimaryKeyConstraint("company_id", "term", "at", "message_id", name=op.f("pk_message_words")),
    )
    for statement in policies.fence_tenant_table("message_words"):
        op.execute(statement)
    # The owner sees no company's row while row security is forced on it.
    op.execute("ALTER TABLE companies NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        INSERT INTO procrastinate_jobs (queue_name, task_name, args)
        SELECT 'default', 'messages.index_texts',
               jsonb_build_object('company_id', id::text, 'fields', jsonb_build_object())
        FROM companies
        """
    )
    op.execute("ALTER TABLE companies FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'messages.index_texts' AND status = 'todo'")
    op.drop_table("message_words")

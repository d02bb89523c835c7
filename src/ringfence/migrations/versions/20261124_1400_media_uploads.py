"""Files that people upload to send them, and the attachments that are such files."""

import sqlalchemy as sa
from alembic import op

from ringfence.tenancy import policies

revision = "20261124_1400"
down_revision = "20261124_1347"
branch_labels = None
depends_on = None

TABLE = "media_uploads"
REFERENCE = "fk_sms_media_company_id_upload_id"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("is_ready", sa.Boolean(), nullable=False),
        sa.Column("keep_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'api_key', 'system', 'platform')", name=op.f("ck_media_uploads_actor_kind")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_media_uploads_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_media_uploads")),
    )
    op.create_index(op.f("ix_media_uploads_company_id_created_at"), TABLE, ["company_id", "created_at"])
    op.create_index(op.f("ix_media_uploads_company_id_keep_until"), TABLE, ["company_id", "keep_until"])
    op.add_column("sms_media", sa.Column("upload_id", sa.Uuid(), nullable=True))
    # The check of the rows that are there must see them all: under FORCE it would see none, and say that it is fine.
    op.execute("ALTER TABLE sms_media NO FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        op.f(REFERENCE), "sms_media", TABLE, ["company_id", "upload_id"], ["company_id", "id"], ondelete="RESTRICT"
    )
    op.execute("ALTER TABLE sms_media FORCE ROW LEVEL SECURITY")
    op.create_index(
        op.f("ix_sms_media_company_id_upload_id"),
        "sms_media",
        ["company_id", "upload_id"],
        postgresql_where=sa.text("upload_id IS NOT NULL"),
    )
    for statement in policies.fence_tenant_table(TABLE):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_sms_media_company_id_upload_id"), "sms_media")
    op.drop_constraint(op.f(REFERENCE), "sms_media")
    op.drop_column("sms_media", "upload_id")
    op.drop_table(TABLE)

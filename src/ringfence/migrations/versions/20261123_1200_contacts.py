"""Contacts: tags, custom fields, zone, merging, and import from files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261123_1200"
down_revision = "20261123_1150"
branch_labels = None
depends_on = None

TENANT = ("contact_tags", "contact_imports", "contact_import_problems")
_COUNTS = ("rows_done", "created_count", "updated_count", "skipped_count", "duplicate_count", "bad_count")


def upgrade() -> None:
    _extend_contacts()
    _create()
    op.create_index(
        op.f("ix_sms_messages_company_id_contact_id"),
        "sms_messages",
        ["company_id", "contact_id"],
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    for table in TENANT:
        for statement in policies.fence_tenant_table(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_sms_messages_company_id_contact_id"), "sms_messages")
    for table in reversed(TENANT):
        op.drop_table(table)
    op.drop_index("ix_contacts_company_id_merged_into", "contacts")
    op.drop_index("uq_contacts_company_id_merged_number", "contacts")
    op.drop_constraint(op.f("fk_contacts_company_id_merged_into"), "contacts")
    for column in ("merged_into", "custom_fields", "time_zone"):
        op.drop_column("contacts", column)


def _extend_contacts() -> None:
    op.add_column("contacts", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column(
        "contacts",
        sa.Column("custom_fields", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.add_column("contacts", sa.Column("merged_into", sa.Uuid(), nullable=True))
    # The check of the rows that are there must see them all: under FORCE it would see none, and say that it is fine.
    op.execute("ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        op.f("fk_contacts_company_id_merged_into"),
        "contacts",
        "contacts",
        ["company_id", "merged_into"],
        ["company_id", "id"],
        ondelete="RESTRICT",
    )
    op.execute("ALTER TABLE contacts FORCE ROW LEVEL SECURITY")
    op.create_index(
        "uq_contacts_company_id_merged_number",
        "contacts",
        ["company_id", "phone_number"],
        unique=True,
        postgresql_where=sa.text("merged_into IS NOT NULL AND phone_number IS NOT NULL"),
    )
    op.create_index(
        "ix_contacts_company_id_merged_into",
        "contacts",
        ["company_id", "merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )


def _create() -> None:
    op.create_table(
        "contact_tags",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_contact_tags_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "contact_id"],
            ["contacts.company_id", "contacts.id"],
            name=op.f("fk_contact_tags_company_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "contact_id", "tag", name=op.f("pk_contact_tags")),
    )
    op.create_index(
        op.f("ix_contact_tags_company_id_tag_contact_id"), "contact_tags", ["company_id", "tag", "contact_id"]
    )
    op.create_table(
        "contact_imports",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("separator", sa.Text(), nullable=False),
        sa.Column("has_header", sa.Boolean(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("existing", sa.Text(), nullable=False),
        sa.Column("rows_total", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False) for name in _COUNTS),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_contact_imports_status")),
        sa.CheckConstraint("existing IN ('update', 'skip')", name=op.f("ck_contact_imports_existing")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_contact_imports_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_contact_imports_company_id_created_by"),
            ondelete="SET NULL (created_by)",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_contact_imports")),
    )
    op.create_index(
        op.f("ix_contact_imports_company_id_created_at_id"), "contact_imports", ["company_id", "created_at", "id"]
    )
    op.create_table(
        "contact_import_problems",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('bad', 'duplicate')", name=op.f("ck_contact_import_problems_kind")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_contact_import_problems_company_id")),
        sa.ForeignKeyConstraint(
            ["company_id", "import_id"],
            ["contact_imports.company_id", "contact_imports.id"],
            name=op.f("fk_contact_import_problems_company_id_import_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_contact_import_problems")),
    )
    op.create_index(
        op.f("ix_contact_import_problems_company_id_import_id_line_id"),
        "contact_import_problems",
        ["company_id", "import_id", "line", "id"],
    )

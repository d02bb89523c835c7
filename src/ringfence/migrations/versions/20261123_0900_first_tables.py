"""The first tables: companies and people, connections and numbers, texts, and the send engine.

Everything is made in one transaction on an empty database, so no lock here can make anybody wait.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ringfence.tenancy import policies

revision = "20261123_0900"
down_revision = None
branch_labels = None
depends_on = None

TENANT = (
    "api_keys",
    "audit_log",
    "company_settings",
    "contacts",
    "conversations",
    "idempotency_keys",
    "invitations",
    "message_events",
    "opt_outs",
    "outbox",
    "phone_numbers",
    "send_attempt",
    "sms_media",
    "sms_messages",
    "twilio_settings",
    "user_sessions",
    "users",
    "webhook_events",
)
# Directory table → the columns of its own rows that the app role may see, and may change.
DIRECTORY = {
    "directory_logins": (("company_id", "user_id"), ()),
    "directory_sessions": (("company_id", "session_id"), ()),
    "directory_invitations": (("company_id", "invitation_id"), ()),
    "directory_api_keys": (("company_id", "api_key_id"), ()),
    "directory_connections": (("company_id", "twilio_settings_id"), ()),
    "directory_numbers": (("company_id", "phone_number_id"), ("released_at",)),
    "lane": (
        ("company_id", "sender_id", "next_due", "segments_per_second", "paused_until"),
        ("next_due", "segments_per_second", "paused_until"),
    ),
}
PLATFORM = ("platform_users", "platform_sessions", "login_failures", "dispatcher_lease")

CREATED = (
    "companies",
    "dispatcher_lease",
    "login_failures",
    "platform_users",
    "audit_log",
    "company_settings",
    "contacts",
    "idempotency_keys",
    "lane",
    "phone_numbers",
    "platform_sessions",
    "twilio_settings",
    "users",
    "webhook_events",
    "api_keys",
    "conversations",
    "directory_connections",
    "directory_logins",
    "directory_numbers",
    "invitations",
    "opt_outs",
    "user_sessions",
    "directory_api_keys",
    "directory_invitations",
    "directory_sessions",
    "sms_messages",
    "message_events",
    "outbox",
    "send_attempt",
    "sms_media",
)


def upgrade() -> None:
    _create()
    for table in TENANT:
        _run(policies.fence_tenant_table(table))
    for table, (see, change) in DIRECTORY.items():
        _run(policies.fence_directory_table(table, app_may_see=see, app_may_update=change))
    for table in PLATFORM:
        _run(policies.platform_table(table))
    _run(policies.companies_table())
    # The intent is written by the app role under the dispatcher's fence, so it must see that the fence is current.
    op.execute(f"GRANT SELECT ON dispatcher_lease TO {policies.APP}")
    # A server that is started, or asked whether it is ready, compares this with the migrations it knows.
    op.execute(f"GRANT SELECT ON alembic_version TO {policies.PLATFORM}")


def downgrade() -> None:
    """Drops everything: the first migration stands on an empty database."""
    for table in reversed(CREATED):
        op.execute(f"DROP TABLE {table} CASCADE")


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _create() -> None:
    op.create_table(
        "companies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_companies_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_companies")),
    )
    op.create_table(
        "dispatcher_lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dispatcher_lease")),
    )
    op.create_table(
        "login_failures",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    op.create_index(
        op.f("ix_login_failures_email_norm_address_failed_at"),
        "login_failures",
        ["email_norm", "address", "failed_at"],
        unique=False,
    )
    op.create_index(op.f("ix_login_failures_failed_at"), "login_failures", ["failed_at"], unique=False)
    op.create_table(
        "platform_users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_platform_users_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_users")),
        sa.UniqueConstraint("email_norm", name=op.f("uq_platform_users_email_norm")),
    )
    op.create_table(
        "audit_log",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'api_key', 'system', 'platform')", name=op.f("ck_audit_log_actor_kind")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_audit_log_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_company_id_at_id"), "audit_log", ["company_id", "at", "id"], unique=False)
    op.create_table(
        "company_settings",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("default_region", sa.Text(), server_default="US", nullable=False),
        sa.Column("opt_out_scope", sa.Text(), server_default="company", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("opt_out_scope IN ('company', 'pair')", name=op.f("ck_company_settings_opt_out_scope")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_company_settings_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_company_settings")),
    )
    op.create_table(
        "contacts",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("first_name", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone_number", sa.Text(), nullable=True),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_contacts_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_contacts")),
    )
    op.create_index(
        op.f("ix_contacts_company_id_created_at_id"),
        "contacts",
        ["company_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_contacts_company_id_phone_number",
        "contacts",
        ["company_id", "phone_number"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND phone_number IS NOT NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("response", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_idempotency_keys_company_id")),
        sa.PrimaryKeyConstraint("company_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_company_id_created_at"),
        "idempotency_keys",
        ["company_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "lane",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("next_due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("segments_per_second", sa.Numeric(precision=8, scale=3), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("segments_per_second > 0", name=op.f("ck_lane_segments_per_second")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_lane_company_id")),
        sa.PrimaryKeyConstraint("company_id", "sender_id", name=op.f("pk_lane")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(op.f("ix_lane_next_due"), "lane", ["next_due"], unique=False)
    op.create_table(
        "phone_numbers",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("twilio_sid", sa.Text(), nullable=True),
        sa.Column("phone_number", sa.Text(), nullable=False),
        sa.Column("friendly_name", sa.Text(), nullable=False),
        sa.Column("twilio_name", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("sms", sa.Boolean(), nullable=False),
        sa.Column("mms", sa.Boolean(), nullable=False),
        sa.Column("voice", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("discovered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rotation_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("rotation_priority", sa.Integer(), server_default=sa.text("100"), nullable=False),
        sa.Column(
            "segments_per_second",
            sa.Numeric(precision=8, scale=3),
            server_default=sa.text("1"),
            nullable=False,
        ),
        sa.Column("sms_url", sa.Text(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f("ck_phone_numbers_status")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_phone_numbers_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_phone_numbers")),
    )
    op.create_index(
        "uq_phone_numbers_company_id_default",
        "phone_numbers",
        ["company_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_index(
        "uq_phone_numbers_company_id_phone_number",
        "phone_numbers",
        ["company_id", "phone_number"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "platform_sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("platform_user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_user_id"],
            ["platform_users.id"],
            name=op.f("fk_platform_sessions_platform_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_platform_sessions")),
        sa.UniqueConstraint("id", name=op.f("uq_platform_sessions_id")),
    )
    op.create_table(
        "twilio_settings",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("sealed_auth_token", sa.Text(), nullable=False),
        sa.Column("auth_token_last4", sa.Text(), nullable=False),
        sa.Column("friendly_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("webhook_path", sa.Text(), nullable=False),
        sa.Column("webhooks_set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("account_sid ~ '^AC[0-9a-fA-F]{32}$'", name=op.f("ck_twilio_settings_account_sid")),
        sa.CheckConstraint("status IN ('verified', 'unverified', 'suspended')", name=op.f("ck_twilio_settings_status")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_twilio_settings_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_twilio_settings")),
        sa.UniqueConstraint("company_id", name=op.f("uq_twilio_settings_company_id")),
    )
    op.create_table(
        "users",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('company_admin', 'manager', 'agent')", name=op.f("ck_users_role")),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_users_status")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_users_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_users")),
        sa.UniqueConstraint("company_id", "email_norm", name=op.f("uq_users_company_id_email_norm")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_webhook_events_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("company_id", "dedupe_key", name=op.f("uq_webhook_events_company_id_dedupe_key")),
    )
    op.create_index(
        op.f("ix_webhook_events_company_id_received_at"),
        "webhook_events",
        ["company_id", "received_at"],
        unique=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('read', 'send', 'manage', 'admin')", name=op.f("ck_api_keys_scope")),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_api_keys_company_id_created_by"),
            ondelete="SET NULL (created_by)",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_api_keys_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_api_keys")),
    )
    op.create_index(
        op.f("ix_api_keys_company_id_created_at_id"),
        "api_keys",
        ["company_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "conversations",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("phone_number_id", sa.Uuid(), nullable=False),
        sa.Column("outside_number", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_direction", sa.Text(), nullable=False),
        sa.Column("last_preview", sa.Text(), nullable=False),
        sa.Column("unread_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "contact_id"],
            ["contacts.company_id", "contacts.id"],
            name=op.f("fk_conversations_company_id_contact_id"),
            ondelete="SET NULL (contact_id)",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "phone_number_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_conversations_company_id_phone_number_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_conversations_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "company_id",
            "phone_number_id",
            "outside_number",
            name=op.f("uq_conversations_company_id_phone_number_id_outside_number"),
        ),
    )
    op.create_index(
        op.f("ix_conversations_company_id_contact_id"),
        "conversations",
        ["company_id", "contact_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_conversations_company_id_last_message_at_id"),
        "conversations",
        ["company_id", "last_message_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_conversations_company_id_outside_number"),
        "conversations",
        ["company_id", "outside_number"],
        unique=False,
    )
    op.create_table(
        "directory_connections",
        sa.Column("path_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("twilio_settings_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "twilio_settings_id"],
            ["twilio_settings.company_id", "twilio_settings.id"],
            name=op.f("fk_directory_connections_company_id_twilio_settings_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_connections_company_id")),
        sa.PrimaryKeyConstraint("path_hash", name=op.f("pk_directory_connections")),
    )
    op.create_table(
        "directory_logins",
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_directory_logins_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_logins_company_id")),
        sa.PrimaryKeyConstraint("email_norm", name=op.f("pk_directory_logins")),
    )
    op.create_table(
        "directory_numbers",
        sa.Column("phone_number_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=False),
        sa.Column("phone_number", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id", "phone_number_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_directory_numbers_company_id_phone_number_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_numbers_company_id")),
        sa.PrimaryKeyConstraint("phone_number_id", name=op.f("pk_directory_numbers")),
        sa.UniqueConstraint(
            "company_id", "phone_number_id", name=op.f("uq_directory_numbers_company_id_phone_number_id")
        ),
    )
    op.create_index(
        "uq_directory_numbers_account_sid_phone_number",
        "directory_numbers",
        ["account_sid", "phone_number"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "invitations",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_norm", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_link", sa.Text(), nullable=True),
        sa.CheckConstraint("role IN ('company_admin', 'manager', 'agent')", name=op.f("ck_invitations_role")),
        sa.ForeignKeyConstraint(
            ["company_id", "invited_by"],
            ["users.company_id", "users.id"],
            name=op.f("fk_invitations_company_id_invited_by"),
            ondelete="SET NULL (invited_by)",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_invitations_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_invitations")),
    )
    op.create_index(
        op.f("ix_invitations_company_id_created_at_id"),
        "invitations",
        ["company_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "opt_outs",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("outside_number", sa.Text(), nullable=False),
        sa.Column("phone_number_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_source", sa.Text(), nullable=True),
        sa.Column("ended_evidence", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "(scope = 'pair') = (phone_number_id IS NOT NULL)", name=op.f("ck_opt_outs_pair_names_number")
        ),
        sa.CheckConstraint("scope IN ('company', 'pair')", name=op.f("ck_opt_outs_scope")),
        sa.CheckConstraint(
            "source IN ('keyword', 'opt_out_type', 'twilio_21610', 'staff', 'import', 'api')",
            name=op.f("ck_opt_outs_source"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "phone_number_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_opt_outs_company_id_phone_number_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_opt_outs_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_opt_outs")),
    )
    op.create_index(
        op.f("ix_opt_outs_company_id_created_at_id"),
        "opt_outs",
        ["company_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_opt_outs_active",
        "opt_outs",
        ["company_id", "outside_number", "phone_number_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "user_sessions",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["users.company_id", "users.id"],
            name=op.f("fk_user_sessions_company_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_user_sessions_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_user_sessions")),
    )
    op.create_index(
        op.f("ix_user_sessions_company_id_user_id"), "user_sessions", ["company_id", "user_id"], unique=False
    )
    op.create_table(
        "directory_api_keys",
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "api_key_id"],
            ["api_keys.company_id", "api_keys.id"],
            name=op.f("fk_directory_api_keys_company_id_api_key_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_api_keys_company_id")),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_directory_api_keys")),
    )
    op.create_table(
        "directory_invitations",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "invitation_id"],
            ["invitations.company_id", "invitations.id"],
            name=op.f("fk_directory_invitations_company_id_invitation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_invitations_company_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_directory_invitations")),
    )
    op.create_table(
        "directory_sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "session_id"],
            ["user_sessions.company_id", "user_sessions.id"],
            name=op.f("fk_directory_sessions_company_id_session_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_directory_sessions_company_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_directory_sessions")),
    )
    op.create_table(
        "sms_messages",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("phone_number_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("num_segments", sa.Integer(), nullable=False),
        sa.Column("num_media", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account_sid", sa.Text(), nullable=True),
        sa.Column("twilio_sid", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("refusal_code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_of", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name=op.f("ck_sms_messages_direction")),
        sa.CheckConstraint("encoding IN ('GSM-7', 'UCS-2')", name=op.f("ck_sms_messages_encoding")),
        sa.CheckConstraint(
            "source IN ('api', 'console', 'retry', 'webhook', 'sync')", name=op.f("ck_sms_messages_source")
        ),
        sa.CheckConstraint(
            "status IN ('held', 'queued', 'unconfirmed', 'sending', 'sent', 'delivered', 'undelivered', 'failed', 'refused', 'canceled', 'received', 'read')",
            name=op.f("ck_sms_messages_status"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "contact_id"],
            ["contacts.company_id", "contacts.id"],
            name=op.f("fk_sms_messages_company_id_contact_id"),
            ondelete="SET NULL (contact_id)",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "conversation_id"],
            ["conversations.company_id", "conversations.id"],
            name=op.f("fk_sms_messages_company_id_conversation_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "phone_number_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_sms_messages_company_id_phone_number_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "retry_of"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_sms_messages_company_id_retry_of"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sms_messages_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_sms_messages")),
        sa.UniqueConstraint("company_id", "twilio_sid", name=op.f("uq_sms_messages_company_id_twilio_sid")),
        postgresql_with={"fillfactor": 90},
    )
    op.create_index(
        op.f("ix_sms_messages_company_id_conversation_id_created_at_id"),
        "sms_messages",
        ["company_id", "conversation_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sms_messages_company_id_created_at_id"),
        "sms_messages",
        ["company_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sms_messages_company_id_to_number_created_at"),
        "sms_messages",
        ["company_id", "to_number", "created_at"],
        unique=False,
    )
    op.create_table(
        "message_events",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "message_id"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_message_events_company_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_message_events_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_message_events")),
    )
    op.create_index(
        op.f("ix_message_events_company_id_message_id_id"),
        "message_events",
        ["company_id", "message_id", "id"],
        unique=False,
    )
    op.create_table(
        "outbox",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="ready", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=True),
        sa.Column("unknown_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('ready', 'posting', 'unknown')", name=op.f("ck_outbox_state")),
        sa.CheckConstraint("priority BETWEEN 0 AND 3", name=op.f("ck_outbox_priority")),
        sa.ForeignKeyConstraint(
            ["company_id", "message_id"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_outbox_company_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "sender_id"],
            ["phone_numbers.company_id", "phone_numbers.id"],
            name=op.f("fk_outbox_company_id_sender_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_outbox_company_id")),
        sa.PrimaryKeyConstraint("company_id", "message_id", name=op.f("pk_outbox")),
        postgresql_with={
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0.01,
            "autovacuum_vacuum_threshold": 500,
        },
    )
    op.create_index(
        "ix_outbox_alarm",
        "outbox",
        ["company_id", "sender_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'ready'"),
    )
    op.create_index(
        "ix_outbox_ready",
        "outbox",
        ["company_id", "sender_id", "priority", "due_at", "message_id"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_table(
        "send_attempt",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id", "message_id"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_send_attempt_company_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_send_attempt_company_id")),
        sa.PrimaryKeyConstraint("company_id", "message_id", "attempt", name=op.f("pk_send_attempt")),
    )
    op.create_table(
        "sms_media",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'stored', 'failed', 'remote')", name=op.f("ck_sms_media_status")),
        sa.ForeignKeyConstraint(
            ["company_id", "message_id"],
            ["sms_messages.company_id", "sms_messages.id"],
            name=op.f("fk_sms_media_company_id_message_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sms_media_company_id")),
        sa.PrimaryKeyConstraint("company_id", "id", name=op.f("pk_sms_media")),
        sa.UniqueConstraint(
            "company_id", "message_id", "position", name=op.f("uq_sms_media_company_id_message_id_position")
        ),
    )

"""Tables of the users room, and the directory rows that lead from a credential to its company."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ringfence.db.base import Base
from ringfence.kit.ids import new_id
from ringfence.tenancy.tables import (
    TenantTable,
    directory_table,
    global_table,
    one_of,
    tenant_args,
    tenant_reference,
)

ROLES = ("company_admin", "manager", "agent")
USER_STATUSES = ("active", "suspended")
KEY_SCOPES = ("read", "send", "manage", "admin")


class User(TenantTable, Base):
    """A person of a company."""

    __tablename__ = "users"
    __table_args__ = tenant_args(
        one_of("role", ROLES),
        one_of("status", USER_STATUSES),
        UniqueConstraint("company_id", "email_norm"),
    )

    email: Mapped[str]
    email_norm: Mapped[str]
    name: Mapped[str]
    # E.164; rings for click-to-call and for calls that come in.
    phone: Mapped[str | None] = mapped_column(default=None)
    role: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None] = mapped_column(default=None)


class UserSession(TenantTable, Base):
    """One log-in of one person; the cookie's hash is in the directory."""

    __tablename__ = "user_sessions"
    __table_args__ = tenant_args(
        tenant_reference("user_id", "users", ondelete="CASCADE"), Index(None, "company_id", "user_id")
    )

    user_id: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)


class Invitation(TenantTable, Base):
    """A single-use invitation of one e-mail address to one role."""

    __tablename__ = "invitations"
    __table_args__ = tenant_args(
        one_of("role", ROLES),
        tenant_reference("invited_by", "users", ondelete="SET NULL"),
        Index(None, "company_id", "created_at", "id"),
    )

    email: Mapped[str]
    email_norm: Mapped[str]
    role: Mapped[str]
    invited_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)
    mailed_at: Mapped[datetime | None] = mapped_column(default=None)
    # Only while the mail job has yet to run: the link, sealed with the server's keys.
    sealed_link: Mapped[str | None] = mapped_column(default=None)


class PasswordReset(TenantTable, Base):
    """A single-use link to a new password for one person; `requested_by` is the admin who sent it, if one did."""

    __tablename__ = "password_resets"
    __table_args__ = tenant_args(
        tenant_reference("user_id", "users", ondelete="CASCADE"),
        tenant_reference("requested_by", "users", ondelete="SET NULL"),
        Index(None, "company_id", "user_id"),
    )

    user_id: Mapped[UUID]
    requested_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None] = mapped_column(default=None)
    mailed_at: Mapped[datetime | None] = mapped_column(default=None)
    # Only while the mail job has yet to run: the link, sealed with the server's keys.
    sealed_link: Mapped[str | None] = mapped_column(default=None)


class APIKey(TenantTable, Base):
    """A Bearer key; its hash is in the directory and the key itself nowhere."""

    __tablename__ = "api_keys"
    __table_args__ = tenant_args(
        one_of("scope", KEY_SCOPES),
        tenant_reference("created_by", "users", ondelete="SET NULL"),
        Index(None, "company_id", "created_at", "id"),
    )

    name: Mapped[str]
    scope: Mapped[str]
    last_four: Mapped[str]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)


class DirectoryLogin(Base):
    """Log-in e-mail → company and user. An e-mail that is taken shows at invitation: accepted and listed."""

    __tablename__ = "directory_logins"
    __table_args__ = (
        tenant_reference("user_id", "users", ondelete="CASCADE"),
        {"info": directory_table("log-in e-mail to company")},
    )

    email_norm: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    user_id: Mapped[UUID]


class DirectorySession(Base):
    """Hash of a session cookie → company and session."""

    __tablename__ = "directory_sessions"
    __table_args__ = (
        tenant_reference("session_id", "user_sessions", ondelete="CASCADE"),
        {"info": directory_table("session cookie hash to company")},
    )

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    session_id: Mapped[UUID]


class DirectoryInvitation(Base):
    """Hash of an invitation link → company and invitation."""

    __tablename__ = "directory_invitations"
    __table_args__ = (
        tenant_reference("invitation_id", "invitations", ondelete="CASCADE"),
        {"info": directory_table("invitation token hash to company")},
    )

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    invitation_id: Mapped[UUID]


class DirectoryPasswordReset(Base):
    """Hash of a password reset's link → company and reset."""

    __tablename__ = "directory_password_resets"
    __table_args__ = (
        tenant_reference("reset_id", "password_resets", ondelete="CASCADE"),
        {"info": directory_table("password reset token hash to company")},
    )

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    reset_id: Mapped[UUID]


class DirectoryAPIKey(Base):
    """Hash of an API key → company and key."""

    __tablename__ = "directory_api_keys"
    __table_args__ = (
        tenant_reference("api_key_id", "api_keys", ondelete="CASCADE"),
        {"info": directory_table("API key hash to company")},
    )

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    api_key_id: Mapped[UUID]


class PlatformUser(Base):
    """A super admin: runs the platform and belongs to no company."""

    __tablename__ = "platform_users"
    __table_args__ = (
        one_of("status", USER_STATUSES),
        {"info": global_table("super admins belong to no company")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    email_norm: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    password_hash: Mapped[str]
    created_at: Mapped[datetime]


class PlatformUserSession(Base):
    """One log-in of one super admin."""

    __tablename__ = "platform_sessions"
    __table_args__ = ({"info": global_table("log-ins of super admins")},)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, default=new_id)
    platform_user_id: Mapped[UUID] = mapped_column(ForeignKey("platform_users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class CompanyVisit(Base):
    """Which company a super admin's session is inside, why, and until when; it ends with the session."""

    __tablename__ = "company_visits"
    __table_args__ = ({"info": global_table("where super admins are inside; who and why is in the company's own log")},)

    session_id: Mapped[UUID] = mapped_column(ForeignKey("platform_sessions.id", ondelete="CASCADE"), primary_key=True)
    company_id: Mapped[UUID] = mapped_column(ForeignKey("companies.id"))
    reason: Mapped[str]
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class LoginFailure(Base):
    """A failed log-in, counted per e-mail and address before any company is known."""

    __tablename__ = "login_failures"
    __table_args__ = (
        Index(None, "email_norm", "address", "failed_at"),
        Index(None, "failed_at"),
        {"info": global_table("failed log-ins: the company is not known yet; kept for a day")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, server_default=text("gen_random_uuid()"))
    email_norm: Mapped[str]
    address: Mapped[str]
    failed_at: Mapped[datetime]


class ResetRequest(Base):
    """Somebody asked for a new password, counted per e-mail and per address before any company is known."""

    __tablename__ = "reset_requests"
    __table_args__ = (
        Index(None, "email_norm", "requested_at"),
        Index(None, "address", "requested_at"),
        Index(None, "requested_at"),
        {"info": global_table("requests for new passwords: the company is not known yet; kept for a day")},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email_norm: Mapped[str]
    address: Mapped[str]
    requested_at: Mapped[datetime]

"""Requests and answers of the users room. Passwords and tokens are SecretStr, so that no repr shows them."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import SecretStr, StringConstraints, model_validator

from ringfence.features.users.values import Role, Scope, UserStatus
from ringfence.web.schemas import Answer, Body

PersonName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
EmailText = Annotated[str, StringConstraints(max_length=320)]
LevelName = Literal["read", "send", "manage", "admin"]


class Login(Body):
    """An e-mail and its password."""

    email: EmailText
    password: SecretStr


class CompanyName(Answer):
    """The caller's company."""

    id: UUID
    name: str


class VisitAnswer(Answer):
    """The company that a super admin has entered: why, and when their time there ends by itself."""

    company: CompanyName
    reason: str
    started_at: datetime
    expires_at: datetime


class Me(Answer):
    """Who is calling, and what they may do. `csrf_token` is null for API keys, which need none.

    A super admin inside a company has `company`, `level` and `visit`; `visit.expires_at` is when that ends.
    """

    kind: Literal["user", "api_key", "platform_user"]
    id: UUID
    name: str
    email: str | None
    role: str | None
    level: LevelName | None
    company: CompanyName | None
    csrf_token: str | None
    visit: VisitAnswer | None = None


class ChangeMe(Body):
    """What to change about oneself; a field left out or null stays as it is. A new password needs the current one."""

    name: PersonName | None = None
    current_password: SecretStr | None = None
    new_password: SecretStr | None = None

    @model_validator(mode="after")
    def _both_passwords(self) -> Self:
        if (self.current_password is None) != (self.new_password is None):
            raise ValueError("give current_password and new_password together")
        return self


class AskForReset(Body):
    """The e-mail that somebody logs in with."""

    email: EmailText


class ResetAsked(Answer):
    """The same whatever e-mail was given."""

    detail: str = "If somebody logs in with this e-mail, a link to a new password is on its way to it."


class UseReset(Body):
    """The part of the link after `#`, and the new password."""

    token: Annotated[str, StringConstraints(max_length=200)]
    password: SecretStr


class ResetAnswer(Answer):
    """A link to a new password: mailed, or else shown here and nowhere again."""

    expires_at: datetime
    mailed: bool
    link: str | None


class UserAnswer(Answer):
    """A person. All but id, name and role is null unless the caller is a company admin, or this person."""

    id: UUID
    name: str
    role: Role
    email: str | None = None
    phone: str | None = None
    status: UserStatus | None = None
    created_at: datetime | None = None
    last_login_at: datetime | None = None


class ChangeUser(Body):
    """What to change; a field left out or null stays as it is."""

    name: PersonName | None = None
    role: Role | None = None
    status: UserStatus | None = None


class ChangePhone(Body):
    """The telephone that rings for a person's calls, as people write it; null for none."""

    phone: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] | None


class CreateAPIKey(Body):
    """A new key: a name to know it by, and what it may do."""

    name: PersonName
    scope: Scope


class APIKeyAnswer(Answer):
    """A key without the key itself, which is stored nowhere."""

    id: UUID
    name: str
    scope: Scope
    last_four: str
    created_by: UUID | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewAPIKeyAnswer(APIKeyAnswer):
    """The one answer that shows the key."""

    key: str


class Invite(Body):
    """Whom to invite, and to what role."""

    email: EmailText
    role: Role


class InvitationAnswer(Answer):
    """An invitation without its link."""

    id: UUID
    email: str
    role: Role
    status: Literal["open", "accepted", "revoked", "expired"]
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None
    mailed_at: datetime | None


class NewInvitationAnswer(InvitationAnswer):
    """The one answer that shows the link."""

    link: str


class AcceptInvitation(Body):
    """The part of the link after `#`, and how the new person wants to be called and to log in."""

    token: Annotated[str, StringConstraints(max_length=200)]
    name: PersonName
    password: SecretStr

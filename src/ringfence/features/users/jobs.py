"""Background work of the users room: mailing links."""

from dataclasses import dataclass
from html import escape

from ringfence.features.companies.queries import own_company
from ringfence.features.users import actions, queries
from ringfence.features.users.values import (
    Mailer,
    MailInvitation,
    MailPasswordReset,
    reset_seal_context,
    seal_context,
)
from ringfence.jobqueue.jobs import AbandonedJobError, JobContext
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring, SealBrokenError

_TEXT = """{inviter} invites you to {company} on Ringfence.

Open this link to choose your name and password:
{link}

It works once, until {expires} UTC. If you did not expect it, ignore this mail.
"""
_HTML = """<p>{inviter} invites you to <strong>{company}</strong> on Ringfence.</p>
<p><a href="{link}">Choose your name and password</a></p>
<p>The link works once, until {expires} UTC. If you did not expect it, ignore this mail.</p>
"""


_RESET_TEXT = """{asker} a new password for {name} at {company} on Ringfence.

Open this link to choose it:
{link}

It works once, until {expires} UTC. If you did not expect it, ignore this mail: the password stays as it is.
"""
_RESET_HTML = """<p>{asker} a new password for {name} at <strong>{company}</strong> on Ringfence.</p>
<p><a href="{link}">Choose a new password</a></p>
<p>The link works once, until {expires} UTC.
If you did not expect it, ignore this mail: the password stays as it is.</p>
"""


@dataclass(frozen=True, slots=True)
class _Mail:
    to: str
    subject: str
    text: str
    html: str


class InvitationMailer:
    """Handler of MailInvitation. A worker that dies between mailing and noting it mails the same link again."""

    def __init__(self, mailer: Mailer, keyring: Keyring) -> None:
        self._mailer = mailer
        self._keyring = keyring

    async def __call__(self, context: JobContext, job: MailInvitation) -> None:
        """Mail the link, unless the invitation was used, revoked, expired or mailed in the meantime."""
        mail = await self._write(context, job)
        if mail is None:
            return
        await self._mailer.send(mail.to, mail.subject, mail.text, mail.html)
        async with context.tenancy.tenant(context.company_id) as session:
            await actions.note_mailed(session, invitation_id=job.invitation_id)

    async def _write(self, context: JobContext, job: MailInvitation) -> _Mail | None:
        async with context.tenancy.tenant(context.company_id) as session:
            invitation = await queries.open_invitation(session, job.invitation_id, now=utc_now())
            if invitation is None or invitation.sealed_link is None:
                return None
            company = await own_company(session)
            inviter = invitation.invited_by and await queries.user_or_none(session, invitation.invited_by)
        try:
            link = self._keyring.open(invitation.sealed_link, context=seal_context(invitation.id))
        except SealBrokenError:
            raise AbandonedJobError("no key of SECRET_KEYS opens the invitation's link; invite again") from None
        facts = {
            "inviter": _one_line(inviter.name) if inviter else "An administrator",
            "company": _one_line(company.name),
            "link": link,
            "expires": invitation.expires_at.strftime("%Y-%m-%d %H:%M"),
        }
        return _Mail(
            to=invitation.email,
            subject=f"Your invitation to {facts['company']}",
            text=_TEXT.format(**facts),
            html=_HTML.format(**{name: escape(value) for name, value in facts.items()}),
        )


class PasswordResetMailer:
    """Handler of MailPasswordReset. A worker that dies between mailing and noting it mails the same link again."""

    def __init__(self, mailer: Mailer, keyring: Keyring) -> None:
        self._mailer = mailer
        self._keyring = keyring

    async def __call__(self, context: JobContext, job: MailPasswordReset) -> None:
        """Mail the link, unless it was used, has expired or was mailed in the meantime."""
        mail = await self._write(context, job)
        if mail is None:
            return
        await self._mailer.send(mail.to, mail.subject, mail.text, mail.html)
        async with context.tenancy.tenant(context.company_id) as session:
            await actions.note_reset_mailed(session, reset_id=job.reset_id)

    async def _write(self, context: JobContext, job: MailPasswordReset) -> _Mail | None:
        async with context.tenancy.tenant(context.company_id) as session:
            row = await queries.open_password_reset(session, job.reset_id, now=utc_now())
            if row is None:
                return None
            reset, user = row
            company = await own_company(session)
        if reset.sealed_link is None:
            return None
        try:
            link = self._keyring.open(reset.sealed_link, context=reset_seal_context(reset.id))
        except SealBrokenError:
            raise AbandonedJobError("no key of SECRET_KEYS opens the link; send a new one") from None
        facts = {
            "asker": "An administrator sends" if reset.requested_by else "Somebody asked for",
            "name": _one_line(user.name),
            "company": _one_line(company.name),
            "link": link,
            "expires": reset.expires_at.strftime("%Y-%m-%d %H:%M"),
        }
        return _Mail(
            to=user.email,
            subject=f"A new password for {facts['company']}",
            text=_RESET_TEXT.format(**facts),
            html=_RESET_HTML.format(**{name: escape(value) for name, value in facts.items()}),
        )


def _one_line(text: str) -> str:
    """A name without line breaks, which could start a header of its own in a mail."""
    return " ".join(text.split())

"""Background work of the notices room: telling people, and mailing them."""

from html import escape
from typing import Final

from ringfence.features.companies.queries import own_company
from ringfence.features.events.values import TellStaff
from ringfence.features.notices import actions, queries
from ringfence.features.notices.queries import ToMail
from ringfence.features.notices.values import NEW_REPLY, MailNotices, NoteReply, TrimNotices
from ringfence.features.users import queries as users
from ringfence.features.users.values import Mailer
from ringfence.jobqueue.jobs import JobContext

_WORDS: Final = {
    "conversation.assigned": "A conversation was assigned to you",
    "bulk.paused": "A bulk send paused itself",
    "webhook.disabled": "An outgoing webhook was turned off: its address fails",
    "twilio.failing": "Twilio does not accept the company's settings any more",
}


async def note_reply(context: JobContext, job: NoteReply) -> None:
    """Do `NoteReply`."""
    async with context.tenancy.tenant(context.company_id) as session:
        await actions.note_reply(session, job.message_id)


async def tell_staff(context: JobContext, job: TellStaff) -> None:
    """Do `TellStaff`."""
    async with context.tenancy.tenant(context.company_id) as session:
        await actions.tell_staff(session, job)


async def trim_notices(context: JobContext, _job: TrimNotices) -> None:
    """Do `TrimNotices`, a batch a transaction."""
    while True:
        async with context.tenancy.tenant(context.company_id) as session:
            gone = await actions.trim(session)
        if gone < actions.TRIM_BATCH:
            return


class NoticeMailer:
    """Does `MailNotices`. A worker that dies between mailing and noting it mails the same once more."""

    def __init__(self, mailer: Mailer, public_url: str) -> None:
        self._mailer = mailer
        self._public_url = public_url

    async def __call__(self, context: JobContext, job: MailNotices) -> None:
        """Mail what is unread now to a person who is active, wants it, and may see it, all as it is now."""
        async with context.tenancy.tenant(context.company_id) as session:
            user = await users.user_or_none(session, job.user_id)
            if user is None or user.status != "active":
                return
            if (await queries.wishes_of(session, user.id)).email == "off":
                return
            rows = await queries.to_mail(session, user, await queries.viewer_of(session, user))
            company = " ".join((await own_company(session)).name.split())
            lines = [_line(item) for item in rows]
            ids = [item.notice.id for item in rows]
        if not lines:
            return
        subject = f"{lines[0]} · {company}" if len(lines) == 1 else f"{len(lines)} notices · {company}"
        text = "\n".join(f"- {line}" for line in lines) + f"\n\n{self._public_url}\n"
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        link = escape(self._public_url)
        await self._mailer.send(user.email, subject, text, f'<ul>{items}</ul><p><a href="{link}">{link}</a></p>')
        async with context.tenancy.tenant(context.company_id) as session:
            await actions.note_mailed(session, ids)


def _line(item: ToMail) -> str:
    """One line without breaks. Of a text its sender is named, and what it says stays behind the log-in."""
    notice, thread, contact = item.notice, item.thread, item.contact
    if notice.kind != NEW_REPLY or thread is None:
        return _WORDS.get(notice.kind, "Something happened")
    name = "" if contact is None else f"{contact.first_name or ''} {contact.last_name or ''}"
    sender = " ".join(name.split()) or thread.outside_number
    return f"New text from {sender}" if notice.count == 1 else f"{notice.count} new texts from {sender}"

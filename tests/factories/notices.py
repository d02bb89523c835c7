"""Two companies whose people are told what happens: jobs run by the test, mails kept in a list."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from ringfence.features.events.values import TellStaff
from ringfence.features.notices.jobs import NoticeMailer, note_reply, tell_staff
from ringfence.features.notices.values import MailNotices, NoteReply
from ringfence.jobqueue.jobs import JobContext
from tests.factories.people import Person
from tests.factories.texts import Line, Texting
from tests.factories.world import BASE_URL


@dataclass
class Mailbox:
    """Takes mails, as a mail server would."""

    mails: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, to: str, subject: str, text: str, html: str) -> None:
        self.mails.append((to, subject, text + html))


@dataclass
class Noticing:
    """What tests of notices do."""

    texting: Texting
    mailbox: Mailbox = field(default_factory=Mailbox)

    @property
    def a(self) -> Line:
        return self.texting.a

    @property
    def b(self) -> Line:
        return self.texting.b

    def context(self, line: Line) -> JobContext:
        return JobContext(self.texting.world.tenancy, line.company_id)

    def waiting(self, line: Line, kind: str) -> list[dict[str, Any]]:
        """The jobs of a company and a kind that wait in the queue: their fields, and when they run."""
        with psycopg.connect(self.texting.database.admin_url) as connection:
            rows = connection.execute(
                "SELECT args->'fields', scheduled_at FROM procrastinate_jobs"
                " WHERE task_name = %s AND args->>'company_id' = %s AND status = 'todo' ORDER BY id",
                [kind, str(line.company_id)],
            ).fetchall()
        return [{**fields, "run_at": run_at} for fields, run_at in rows]

    async def reply(self, line: Line, **what: Any) -> UUID:
        """A text comes in and whoever wants to is told; the text's id."""
        before = {item["message_id"] for item in self.waiting(line, NoteReply.kind)}
        await self.texting.inbound(line, **what)
        [new] = [item for item in self.waiting(line, NoteReply.kind) if item["message_id"] not in before]
        await note_reply(self.context(line), NoteReply(message_id=UUID(new["message_id"])))
        return UUID(new["message_id"])

    async def tell(self, line: Line, news: TellStaff) -> None:
        await tell_staff(self.context(line), news)

    async def mail(self, line: Line, person: Person) -> list[tuple[str, str, str]]:
        """What the job sends a person now."""
        already = len(self.mailbox.mails)
        mailer = NoticeMailer(self.mailbox, BASE_URL)
        await mailer(self.context(line), MailNotices(user_id=person.id))
        return self.mailbox.mails[already:]

    async def choose(self, person: Person, **wishes: Any) -> None:
        browser = await self.texting.world.log_in(person)
        body = {"browser": True, "email": "off", "about": "unassigned", **wishes}
        answer = await browser.put("/api/notices/preferences", json=body)
        assert answer.status_code == 200, answer.text

    async def notices(self, person: Person, **params: Any) -> list[dict[str, Any]]:
        browser = await self.texting.world.log_in(person)
        answer = await browser.get("/api/notices", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

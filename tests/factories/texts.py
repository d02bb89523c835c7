"""Two companies with a Twilio account and numbers each, and Twilio's side of their webhooks.

A test module (or conftest) defines its fixtures from these:

    @pytest.fixture
    def more_services(tmp_path: Path) -> tuple[object, ...]:
        return texting_services(tmp_path)

    @pytest.fixture
    async def texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
        return await make_texting(world, client, database)
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ringfence.dispatch.ports import Settled
from ringfence.features.audit_log.values import COMMAND_LINE
from ringfence.features.messages.actions.dispatching import MessageTexts
from ringfence.features.messages.actions.media_store import MediaStore
from ringfence.features.phone_numbers import actions as phone_numbers
from ringfence.features.phone_numbers.values import Listing
from ringfence.features.twilio_settings.values import NewConnection
from ringfence.kit.clock import utc_now
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.providers.twilio.records import AccountInfo, NumberInfo
from ringfence.providers.twilio.signature import expected_signature
from tests.factories.cluster import Database
from tests.factories.people import CompanyWithPeople, Scope
from tests.factories.world import BASE_URL, World

NOWHERE = "http://127.0.0.1:9"
CUSTOMER = "+16025550990"
TABLES = (
    "sms_messages",
    "sms_media",
    "media_uploads",
    "message_events",
    "webhook_events",
    "conversations",
    "contacts",
    "opt_outs",
    "outbox",
    "idempotency_keys",
    "phone_numbers",
)
_sids = itertools.count(1)


def new_sid(prefix: str = "SM") -> str:
    return f"{prefix}{next(_sids):032x}"


@dataclass(frozen=True)
class Line:
    """A company's connection, as its owner and Twilio know it."""

    company: CompanyWithPeople
    account_sid: str
    auth_token: str = field(repr=False)
    webhook_path: str = field(repr=False)
    numbers: tuple[str, ...]

    @property
    def number(self) -> str:
        return self.numbers[0]

    @property
    def company_id(self) -> UUID:
        return self.company.company_id


@dataclass
class Texting:
    """`client` has no credential; `a` and `b` are the companies' lines."""

    world: World
    client: httpx.AsyncClient
    database: Database
    a: Line
    b: Line

    @property
    def texts(self) -> MessageTexts:
        """The texts room as the dispatcher sees it."""
        return MessageTexts(self.world.keyring, BASE_URL)

    async def call(
        self, method: str, path: str, line: Line, *, scope: Scope = "admin", **request: Any
    ) -> httpx.Response:
        headers = line.company.headers(scope) | request.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **request)

    async def get(self, path: str, line: Line, **params: Any) -> Any:
        """What a GET answers, which must be 200."""
        answer = await self.call("GET", path, line, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def send(
        self, line: Line, *, to: str = CUSTOMER, body: str = "Hello", key: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.call(
            "POST", "/api/sms/send", line, scope="send", json={"to": to, "body": body, **more}, headers=headers
        )

    async def sent(self, line: Line, **what: Any) -> dict[str, Any]:
        """A text that was handed in, which must work."""
        answer = await self.send(line, **what)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def inbound(self, line: Line, **what: Any) -> httpx.Response:
        """Twilio reports a text from outside; see `webhook` for what can be wrong with it."""
        sender, to = what.pop("sender", CUSTOMER), what.pop("to", line.number)
        sid = what.pop("sid", None) or new_sid()
        fields = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "AccountSid": line.account_sid,
            "From": sender,
            "To": to,
            "Body": what.pop("body", "Hi there"),
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
            "FromCity": "",
            **what.pop("fields", {}),
        }
        return await self.webhook(line, "inbound", fields, **what)

    async def status(self, line: Line, message_id: str, sid: str, word: str, **what: Any) -> httpx.Response:
        """Twilio reports on a text that was sent, under the address that the dispatcher gave."""
        credentials_line = what.pop("address_of", line)
        attempt = what.pop("attempt", 1)
        query = what.pop("query", None)
        if query is None:
            query = self.callback_query(credentials_line, message_id, attempt)
        fields = {
            "MessageSid": sid,
            "SmsSid": sid,
            "MessageStatus": word,
            "SmsStatus": word,
            "AccountSid": line.account_sid,
            "From": line.number,
            "To": CUSTOMER,
            "ApiVersion": "2010-04-01",
            **what.pop("fields", {}),
        }
        return await self.webhook(line, "status", fields, query=query, **what)

    def callback_query(self, line: Line, message_id: str, attempt: int = 1) -> str:
        code = self.world.keyring.sign("status", str(line.company_id), message_id, str(attempt))
        return urlencode({"message_id": message_id, "attempt": attempt, "code": code})

    async def webhook(
        self,
        line: Line,
        kind: str,
        fields: dict[str, str],
        *,
        path: str | None = None,
        token: str | None = None,
        signature: str | None = None,
        signed: bool = True,
        query: str = "",
    ) -> httpx.Response:
        """A webhook of a line's account; `path`, `token`, `signature` and `signed` say what is forged about it."""
        path = path or line.webhook_path
        tail = f"/webhooks/twilio/{path}/{kind}" + (f"?{query}" if query else "")
        right = expected_signature(token or line.auth_token, BASE_URL + tail, list(fields.items()))
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        if signed:
            headers["X-Twilio-Signature"] = right if signature is None else signature
        return await self.client.post(tail, content=urlencode(fields), headers=headers)

    async def settle(self, line: Line, message_id: str, sid: str | None = None, **what: Any) -> None:
        """The dispatcher records Twilio's answer to the POST: accepted with a SID, or refused with `error_code`."""
        outcome = Settled(
            message_id=UUID(message_id),
            attempt=what.get("attempt", 1),
            account_sid=line.account_sid,
            sid=sid,
            twilio_status=what.get("status", "queued") if sid else None,
            error_code=what.get("error_code"),
            refused=sid is None,
            via=what.get("via", "response"),
        )
        async with self.world.tenancy.tenant(line.company_id) as session:
            await self.texts.settle(session, [outcome])

    async def judge(self, line: Line, message_id: str) -> Any:
        """What the gate says when the dispatcher takes the text."""
        async with self.world.tenancy.tenant(line.company_id) as session:
            return (await self.texts.judge(session, [UUID(message_id)])).get(UUID(message_id))

    async def message(self, line: Line, message_id: str) -> Any:
        return await self.get(f"/api/sms/messages/{message_id}", line)

    async def timeline(self, line: Line, message_id: str) -> list[Any]:
        return (await self.get(f"/api/sms/messages/{message_id}/timeline", line))["items"]

    def stored(self, line: Line, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """Every column of a company's rows, as the administrator sees them."""
        with psycopg.connect(self.database.admin_url, row_factory=dict_row) as connection:
            return {
                table: connection.execute(
                    sql.SQL("SELECT * FROM {} AS t WHERE company_id = %s ORDER BY t::text").format(
                        sql.Identifier(table)
                    ),
                    [line.company_id],
                ).fetchall()
                for table in tables or TABLES
            }

    def change(self, statement: str, *values: object) -> None:
        """Change the database behind the application's back, such as the age of a row."""
        with psycopg.connect(self.database.admin_url, autocommit=True) as connection:
            assert connection.execute(statement, values).rowcount > 0


def texting_services(folder: Path, *, api_url: str = NOWHERE, public_url: str = BASE_URL) -> tuple[object, ...]:
    return (TwilioGateway(api_url, public_url, timeout_seconds=5), MediaStore(folder))


async def make_texting(world: World, client: httpx.AsyncClient, database: Database) -> Texting:
    a = await connect(world, world.a, "AC" + "a1" * 16, "aa11" * 8, ("+16025550101", "+16025550102"))
    b = await connect(world, world.b, "AC" + "b2" * 16, "bb22" * 8, ("+14155550201", "+14155550202"))
    return Texting(world, client, database, a, b)


async def connect(
    world: World, company: CompanyWithPeople, account_sid: str, auth_token: str, numbers: tuple[str, ...]
) -> Line:
    """Connect a company to an account that Twilio has just confirmed."""
    now = utc_now()
    account = AccountInfo(account_sid, company.name, "active", "Full", account_sid)
    new = NewConnection(account_sid, auth_token, None, account, now)
    async with world.tenancy.tenant(company.company_id) as session:
        settings, _ = await phone_numbers.connect(
            session,
            keyring=world.keyring,
            actor=COMMAND_LINE,
            new=new,
            listing=Listing(account_sid, [number_at_twilio(account_sid, number) for number in numbers], now),
        )
    return Line(company, account_sid, auth_token, settings.webhook_path, numbers)


def number_at_twilio(account_sid: str, phone_number: str, *, mms: bool = True) -> NumberInfo:
    return NumberInfo(
        sid=new_sid("PN"),
        account_sid=account_sid,
        phone_number=phone_number,
        friendly_name=phone_number,
        sms=True,
        mms=mms,
        voice=True,
        sms_url=None,
        sms_method="POST",
        sms_fallback_url=None,
        sms_application_sid=None,
        voice_url=None,
        status="in-use",
    )

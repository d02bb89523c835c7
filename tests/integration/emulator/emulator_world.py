"""An emulator with two companies' accounts, an application that takes webhooks, and a client for both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

from ringfence.emulator import AccountSeed, Behaviour, Emulator, NumberSeed, Span
from tests.factories.waiting import eventually

ACME_SID, ACME_TOKEN = "AC" + "a" * 32, "acme-token-0123456789abcdef"
BOLT_SID, BOLT_TOKEN = "AC" + "b" * 32, "bolt-token-0123456789abcdef"
ACME_NUMBER, ACME_SECOND, BOLT_NUMBER = "+16025550100", "+16025550101", "+12065550140"
CUSTOMER, OTHER_CUSTOMER = "+16025550147", "+16025550148"

QUICK = Behaviour(
    sent_delay=Span(0.01, 0.02),
    delivered_delay=Span(0.01, 0.02),
    callback_delay=Span(0.0, 0.0),
    price_delay=Span(0.05, 0.05),
)


@dataclass
class Received:
    """One request that the application got: the address as it stood on the wire, and the decoded form."""

    method: str
    path: str
    form: dict[str, str]
    headers: dict[str, str]
    genuine: bool


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Application:
    """A web application with one handler for every path; tests set `answer`."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Answer | None = None
    tokens: dict[str, str] = field(default_factory=lambda: {ACME_SID: ACME_TOKEN, BOLT_SID: BOLT_TOKEN})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        token = self.tokens.get(form.get("AccountSid", ""), ACME_TOKEN)
        address = f"{self.url}{request.raw_path}"
        genuine = RequestValidator(token).validate(address, form, request.headers.get("X-Twilio-Signature", ""))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.method, request.raw_path, form, headers, bool(genuine)))
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(text="<Response/>", content_type="text/xml")

    def statuses(self) -> list[str]:
        return [item.form["MessageStatus"] for item in self.received if "MessageStatus" in item.form]

    async def until(self, count: int) -> list[Received]:
        async def enough() -> bool:
            return len(self.received) >= count

        await eventually(enough)
        return self.received


@asynccontextmanager
async def running_application() -> AsyncIterator[Application]:
    application = Application()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", application.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    application.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield application
    finally:
        await runner.cleanup()


@dataclass
class Phone:
    """Talks to an emulator: the REST API as one account, and the control interface."""

    emulator: Emulator
    session: aiohttp.ClientSession

    async def rest(
        self,
        method: str,
        path: str,
        *,
        sid: str = ACME_SID,
        token: str = ACME_TOKEN,
        account: str | None = None,
        form: dict[str, Any] | list[tuple[str, str]] | None = None,
        timeout: float = 10,
    ) -> tuple[int, Any]:
        """Status and parsed body (text if it is not JSON) of one REST request."""
        url = f"{self.emulator.base_url}/2010-04-01/Accounts/{account or sid}{path}"
        headers = {"Authorization": aiohttp.encode_basic_auth(sid, token)}
        limit = aiohttp.ClientTimeout(total=timeout)
        async with self.session.request(method, url, data=form, headers=headers, timeout=limit) as answer:
            if answer.content_type == "application/json":
                return answer.status, await answer.json() if await answer.read() else None
            return answer.status, await answer.text()

    async def send(self, body: str = "hello", **more: str) -> tuple[int, Any]:
        """Create a message from Acme's first number to the customer; `more` are further parameters."""
        form = {"From": ACME_NUMBER, "To": CUSTOMER, "Body": body} | more
        return await self.rest("POST", "/Messages.json", form=form)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed body of one control request; its status must be 2xx."""
        status, answer = await self.try_control(method, path, body)
        assert 200 <= status < 300, (status, answer)
        return answer

    async def try_control(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.emulator.base_url}/emulator{path}", json=body) as answer:
            return answer.status, await answer.json()

    async def fault(self, kind: str, **more: Any) -> int:
        return (await self.control("POST", "/faults", {"kind": kind} | more))["id"]

    async def text(self, body: str, **more: Any) -> Any:
        """Text Acme's first number as the customer."""
        return await self.control("POST", "/inbound", {"from": CUSTOMER, "to": ACME_NUMBER, "body": body} | more)

    async def until_status(self, sid: str, status: str) -> dict[str, Any]:
        async def reached() -> dict[str, Any] | None:
            _, message = await self.rest("GET", f"/Messages/{sid}.json")
            return message if message["status"] == status else None

        message = await eventually(reached)
        assert message is not None
        return message


def seeds(application_url: str = "") -> list[AccountSeed]:
    sms_url = f"{application_url}/sms?company=1&x=a%20b" if application_url else ""
    return [
        AccountSeed(
            friendly_name="Acme",
            account_sid=ACME_SID,
            auth_token=ACME_TOKEN,
            numbers=[
                NumberSeed(phone_number=ACME_NUMBER, sms_url=sms_url),
                NumberSeed(phone_number=ACME_SECOND, sms_url=sms_url),
            ],
        ),
        AccountSeed(
            friendly_name="Bolt",
            account_sid=BOLT_SID,
            auth_token=BOLT_TOKEN,
            numbers=[NumberSeed(phone_number=BOLT_NUMBER, sms_url=sms_url)],
        ),
    ]


@asynccontextmanager
async def running_emulator(application_url: str = "", behaviour: Behaviour = QUICK) -> AsyncIterator[Phone]:
    emulator = Emulator(seeds(application_url), behaviour=behaviour)
    await emulator.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Phone(emulator, session)
    finally:
        await emulator.stop()
        # Transports close in the next turn of the loop.
        await asyncio.sleep(0)

"""The control interface for people and tests, under /emulator: it says what happened and makes things happen."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from ringfence.emulator import addresses
from ringfence.emulator.accounts import Accounts
from ringfence.emulator.behaviour import Behaviour
from ringfence.emulator.creates import CreateLedger
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.faults import OPERATIONS, Fault, known_kind
from ringfence.emulator.fields import BadInputError, Fields
from ringfence.emulator.renders import media_json, message_json
from ringfence.emulator.seeds import account_seed, number_seed
from ringfence.emulator.webhooks import WebhookSender
from ringfence.emulator.world import Account, Message, Number, Outcome

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 10_000
_OUTCOMES: tuple[Outcome, ...] = ("delivered", "undelivered", "failed", "sent_only")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NotHereError(Exception):
    """Something a control request names does not exist."""


def controlled(handler: Handler) -> Handler:
    """Wrap a control handler: mistakes become 400 or 404 with one line, pages of other sites are refused."""

    async def handle(request: web.Request) -> web.StreamResponse:
        # The interface has no password, so a web page open in the same browser must not reach it.
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            return web.json_response({"error": "requests of other sites are refused"}, status=403)
        try:
            return await handler(request)
        except (BadInputError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        except NotHereError as error:
            return web.json_response({"error": str(error)}, status=404)

    return handle


class Control:
    """Handlers of the control interface, except phones, inbound texts and mailbox."""

    def __init__(self, exchange: Exchange, sender: WebhookSender, accounts: Accounts, behaviour: Behaviour) -> None:
        self._exchange = exchange
        self._first_behaviour = behaviour
        self._sender = sender
        self._accounts = accounts

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/emulator/accounts", controlled(self.list_accounts)),
            web.post("/emulator/accounts", controlled(self.add_account)),
            web.patch("/emulator/accounts/{sid}", controlled(self.change_account)),
            web.post("/emulator/accounts/{sid}/numbers", controlled(self.add_number)),
            web.get("/emulator/messages", controlled(self.list_messages)),
            web.get("/emulator/webhooks", controlled(self.list_webhooks)),
            web.get("/emulator/faults", controlled(self.list_faults)),
            web.post("/emulator/faults", controlled(self.add_fault)),
            web.delete("/emulator/faults", controlled(self.clear_faults)),
            web.delete("/emulator/faults/{id:[0-9]+}", controlled(self.clear_faults)),
            web.get("/emulator/settings", controlled(self.show_settings)),
            web.put("/emulator/settings", controlled(self.change_settings)),
            web.get("/emulator/creates", controlled(self.show_creates)),
            web.get("/emulator/opt-outs", controlled(self.list_opt_outs)),
            web.post("/emulator/numbers/{number}/carrier", controlled(self.set_outcome)),
            web.post("/emulator/reset", controlled(self.reset)),
        ]

    async def list_accounts(self, request: web.Request) -> web.StreamResponse:
        """Every account with its token and numbers."""
        accounts = [self._account_json(account) for account in self._exchange.world.accounts.values()]
        return web.json_response({"accounts": accounts})

    async def add_account(self, request: web.Request) -> web.StreamResponse:
        """Open an account with numbers."""
        fields = await Fields.of(request)
        account = self._exchange.world.add_account(account_seed(fields.rest()))
        return web.json_response(self._account_json(account), status=201)

    async def change_account(self, request: web.Request) -> web.StreamResponse:
        """Rotate the Auth Token or change the status or type, as its owner could in Twilio's console."""
        fields = await Fields.of(request)
        account = self._account(request.match_info["sid"])
        token, status = fields.optional_text("auth_token"), fields.optional_text("status")
        kind = fields.optional_text("type")
        fields.finish()
        if kind is not None:
            if kind not in {"Trial", "Full"}:
                raise BadInputError("type must be Trial or Full")
            account.kind = "Trial" if kind == "Trial" else "Full"
        if status is not None:
            if status not in {"active", "suspended", "closed"}:
                raise BadInputError("status must be active, suspended or closed")
            self._accounts.set_status(account, status)
        account.auth_token = token or account.auth_token
        return web.json_response(self._account_json(account))

    async def add_number(self, request: web.Request) -> web.StreamResponse:
        """Give an account a number of its own choice."""
        fields = await Fields.of(request)
        world = self._exchange.world
        account = self._account(request.match_info["sid"])
        seed = number_seed(fields.rest())
        phone_number = addresses.e164(seed.phone_number)
        if phone_number is None:
            raise BadInputError("phone_number must be an E.164 number")
        if phone_number in world.numbers:
            raise BadInputError("the number belongs to an account already")
        return web.json_response(_number_json(world.add_number(account, phone_number, seed)), status=201)

    async def list_messages(self, request: web.Request) -> web.StreamResponse:
        """Messages of all accounts, newest first, filtered by account_sid, to, from and direction."""
        query = request.query
        wanted = {
            name: query[key]
            for name, key in (
                ("account_sid", "account_sid"),
                ("recipient", "to"),
                ("sender", "from"),
                ("direction", "direction"),
            )
            if query.get(key)
        }
        limit = _limit(request)
        chosen: list[Message] = []
        for message in reversed(self._exchange.world.messages.values()):
            if all(getattr(message, name) == value for name, value in wanted.items()):
                chosen.append(message)
                if len(chosen) == limit:
                    break
        return web.json_response({"messages": [self._message_json(message) for message in chosen]})

    async def list_webhooks(self, request: web.Request) -> web.StreamResponse:
        """The most recent webhooks, newest first."""
        return web.json_response({"webhooks": self._sender.recent(_limit(request))})

    async def list_faults(self, request: web.Request) -> web.StreamResponse:
        """Every fault with how often it fired."""
        return web.json_response({"faults": [fault.as_json() for fault in self._exchange.faults.all()]})

    async def add_fault(self, request: web.Request) -> web.StreamResponse:
        """Switch a fault on."""
        fields = await Fields.of(request)
        kind = fields.text("kind")
        operation = fields.optional_text("operation") or "create"
        if not known_kind(kind):
            raise BadInputError("unknown kind of fault")
        if operation not in OPERATIONS:
            raise BadInputError(f"operation must be one of {', '.join(OPERATIONS)}")
        number = fields.optional_text("number")
        fault = Fault(
            id=0,
            kind=kind,
            account_sid=fields.optional_text("account_sid"),
            number=number and (addresses.e164(number) or number),
            operation=operation,
            count=fields.optional_whole("count", low=1),
            probability=_default(fields.optional_number("probability", high=1), 1.0),
            delay_seconds=fields.optional_number("delay_seconds", high=3600),
            retry_after=fields.optional_whole("retry_after"),
        )
        fields.finish()
        return web.json_response(self._exchange.faults.add(fault).as_json(), status=201)

    async def clear_faults(self, request: web.Request) -> web.StreamResponse:
        """Switch off one fault, or all."""
        chosen = request.match_info.get("id")
        removed = self._exchange.faults.clear(int(chosen) if chosen else None)
        if chosen and not removed:
            raise NotHereError("no such fault")
        return web.json_response({"removed": removed})

    async def show_settings(self, request: web.Request) -> web.StreamResponse:
        """The settings of the network."""
        return web.json_response(self._exchange.behaviour.as_json())

    async def change_settings(self, request: web.Request) -> web.StreamResponse:
        """Change the settings that are given; the others stay."""
        fields = await Fields.of(request)
        self._exchange.behaviour.change(fields.rest())
        return web.json_response(self._exchange.behaviour.as_json())

    async def show_creates(self, request: web.Request) -> web.StreamResponse:
        """What arrived and what was accepted, by the caller's message id; `over=1` shows only the doubles."""
        return web.json_response(creates_report(request, self._exchange.creates, "message_id"))

    async def list_opt_outs(self, request: web.Request) -> web.StreamResponse:
        """The pairs that are blocked."""
        pairs = sorted(self._exchange.world.opt_outs)
        return web.json_response({"opt_outs": [{"number": pair[0], "customer": pair[1]} for pair in pairs]})

    async def set_outcome(self, request: web.Request) -> web.StreamResponse:
        """Decide what becomes of texts to a number: delivered, undelivered, failed or sent_only."""
        fields = await Fields.of(request)
        number = addresses.e164(request.match_info["number"]) or request.match_info["number"]
        text, code = fields.text("outcome"), fields.optional_whole("error_code", low=10_000, high=99_999)
        fields.finish()
        if text not in _OUTCOMES:
            raise BadInputError(f"outcome must be one of {', '.join(_OUTCOMES)}")
        outcome: Outcome = text
        self._exchange.world.outcomes[number] = (outcome, code)
        return web.json_response({"number": number, "outcome": outcome, "error_code": code})

    async def reset(self, request: web.Request) -> web.StreamResponse:
        """Forget all traffic, counts and faults; settings are as at the start.

        Accounts and numbers stay, with the addresses of their webhooks.
        """
        await self._exchange.drop_pending()
        self._sender.forget()
        self._exchange.world.forget_traffic()
        self._exchange.faults.clear()
        self._exchange.creates.clear()
        self._exchange.call_creates.clear()
        self._exchange.calls.clear()
        self._exchange.behaviour.become(self._first_behaviour)
        return web.json_response({"reset": True})

    def _account(self, sid: str) -> Account:
        account = self._exchange.world.accounts.get(sid)
        if account is None:
            raise NotHereError("no such account")
        return account

    def _account_json(self, account: Account) -> dict[str, object]:
        return {
            "sid": account.sid,
            "auth_token": account.auth_token,
            "friendly_name": account.friendly_name,
            "status": account.status,
            "owner_account_sid": account.owner_sid,
            "numbers": [_number_json(number) for number in account.numbers.values()],
        }

    def _message_json(self, message: Message) -> dict[str, object]:
        media = self._exchange.world.media_of.get(message.sid, ())
        return message_json(message) | {
            "status_callback": message.status_callback,
            "media": [media_json(item) for item in media],
        }


def _number_json(number: Number) -> dict[str, object]:
    return {
        "sid": number.sid,
        "phone_number": number.phone_number,
        "friendly_name": number.friendly_name,
        "capabilities": {"sms": number.sms, "mms": number.mms, "voice": number.voice},
        "sms_url": number.settings.get("sms_url", ""),
        "sms_fallback_url": number.settings.get("sms_fallback_url", ""),
        "voice_url": number.settings.get("voice_url", ""),
    }


def creates_report(request: web.Request, ledger: CreateLedger, parameter: str) -> dict[str, object]:
    """A ledger as the query asks for it. Raises BadInputError if `over` is not a whole number."""
    over = request.query.get("over")
    if over is not None and not (over.isascii() and over.isdigit()):
        raise BadInputError("over must be a whole number")
    return ledger.report(over=None if over is None else int(over), own_id=request.query.get(parameter))


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _MAX_LIMIT:
        raise BadInputError(f"limit must be between 1 and {_MAX_LIMIT}")
    return int(text)


def _default(value: float | None, default: float) -> float:
    return default if value is None else value

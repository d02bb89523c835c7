"""One emulator: REST, control interface and pages on one port, in one event loop."""

from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from ringfence.emulator.accounts import Accounts
from ringfence.emulator.behaviour import Behaviour
from ringfence.emulator.carrier import Carrier
from ringfence.emulator.control import Control
from ringfence.emulator.door import Door
from ringfence.emulator.exchange import new_exchange
from ringfence.emulator.history import History
from ringfence.emulator.inbound import Inbound
from ringfence.emulator.mailbox import Mailbox
from ringfence.emulator.media import MediaFiles
from ringfence.emulator.messages import Messages
from ringfence.emulator.numbers import Numbers
from ringfence.emulator.outbound import Outbound
from ringfence.emulator.phones import Phones
from ringfence.emulator.receiving import Receiving
from ringfence.emulator.seeds import AccountSeed
from ringfence.emulator.services import Services
from ringfence.emulator.voice_calls import Calls
from ringfence.emulator.voice_control import VoiceControl
from ringfence.emulator.voice_line import Line
from ringfence.emulator.voice_recordings import Recordings
from ringfence.emulator.voice_script import Scripts
from ringfence.emulator.webhooks import WebhookSender

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

# Ten pictures of 5 MB in base64 would be more; nobody's phone sends that.
_MAX_REQUEST_BYTES = 16 * 1024 * 1024
_SHUTDOWN_SECONDS = 1.0


class Emulator:
    """A local Twilio.

    accounts: what exists at the start. seed: makes SIDs, tokens and delays the same every run, for tests only
    (a second run repeats the SIDs of the first). behaviour: delays at the start and after a reset of settings.
    allowed_hosts: the only hosts that webhooks and media requests may go to.
    mailbox: shown on /mailbox and /emulator/mailbox; whoever made it starts and stops it.
    Everything is kept in memory and gone with the process.
    """

    def __init__(
        self,
        accounts: Sequence[AccountSeed] = (),
        *,
        seed: int | None = None,
        behaviour: Behaviour | None = None,
        allowed_hosts: frozenset[str] = LOOPBACK,
        mailbox: Mailbox | None = None,
    ) -> None:
        self._exchange = exchange = new_exchange(seed=seed, behaviour=replace(behaviour or Behaviour()))
        self._sender = sender = WebhookSender(allowed_hosts)
        door = Door(exchange)
        carrier = Carrier(exchange, sender)
        outbound = Outbound(exchange, carrier, sender, allowed_hosts)
        inbound = Inbound(exchange, carrier, outbound, sender)
        line = Line(exchange, sender)
        scripts = Scripts(exchange, line, sender)
        account_door = Accounts(exchange, door)
        self._routes = [
            *Messages(exchange, door, outbound, carrier).routes(),
            *MediaFiles(exchange, door).routes(),
            *Recordings(exchange, door).routes(),
            *Calls(exchange, door, line, scripts).routes(),
            *Numbers(exchange, door).routes(),
            *Services(exchange, door).routes(),
            *account_door.routes(),
            *Control(exchange, sender, account_door, behaviour or Behaviour()).routes(),
            *Receiving(exchange, inbound, sender, allowed_hosts).routes(),
            *VoiceControl(exchange, line, scripts).routes(),
            *History(exchange).routes(),
            *Phones(exchange).routes(),
            *(mailbox.routes() if mailbox else []),
            # Everything else is what Twilio says of a path it does not have.
            web.route("*", "/{path:.*}", door.unknown_path),
        ]
        for account in accounts:
            exchange.world.add_account(account)
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`. Empty before `start`."""
        return self._exchange.base_url

    def accounts(self) -> list[dict[str, object]]:
        """The accounts now: `sid`, `auth_token`, `friendly_name` and `phone_numbers` of each."""
        return [
            {
                "sid": account.sid,
                "auth_token": account.auth_token,
                "friendly_name": account.friendly_name,
                "phone_numbers": [number.phone_number for number in account.numbers.values()],
            }
            for account in self._exchange.world.accounts.values()
        ]

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 picks a free one. Raises OSError if the port is taken."""
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._sender.start()
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        address = self._runner.addresses[0]
        shown = f"[{host}]" if ":" in host else host
        self._exchange.base_url = f"http://{shown}:{address[1]}"

    async def stop(self) -> None:
        """Stop listening, end what is under way, and drop what is still to come.

        Safe to call twice. A stopped emulator does not start again.
        """
        self._exchange.closing.set()
        await self._exchange.drop_pending()
        await self._sender.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

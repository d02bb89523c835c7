"""The Accounts resource (subaccounts included) and Balance."""

from aiohttp import web

from ringfence.emulator.answers import answer
from ringfence.emulator.door import Door
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.form import Form
from ringfence.emulator.messages import PREFIX
from ringfence.emulator.paging import page
from ringfence.emulator.renders import account_json, price_text
from ringfence.emulator.seeds import AccountSeed
from ringfence.emulator.world import Account
from ringfence.kit.clock import utc_now

_STATUSES = frozenset({"active", "suspended", "closed"})


class Accounts:
    """Handlers of the Accounts resource."""

    def __init__(self, exchange: Exchange, door: Door) -> None:
        self._exchange = exchange
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """The routes. An account can be read while it is suspended: that is how its owner learns of it."""
        guard = self._door.guard
        return [
            web.get("/2010-04-01/Accounts.json", guard("read", self.list, suspended_ok=True)),
            web.post("/2010-04-01/Accounts.json", guard("write", self.create)),
            web.get(f"{PREFIX}.json", guard("read", self.fetch, suspended_ok=True)),
            web.post(f"{PREFIX}.json", guard("write", self.update, suspended_ok=True)),
            web.get(f"{PREFIX}/Balance.json", guard("read", self.balance)),
        ]

    async def list(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The caller's account and its subaccounts, filtered by FriendlyName and Status."""
        name, status = request.query.get("FriendlyName"), request.query.get("Status")
        rows = list(self._exchange.world.accounts.values())

        def matches(row: Account) -> bool:
            return (
                account.sid in {row.sid, row.owner_sid}
                and name in {None, row.friendly_name}
                and status in {None, row.status}
            )

        return answer(page(request, "accounts", rows, matches, account_json))

    async def create(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Open a subaccount; its Auth Token is in the answer."""
        form = Form.parse(await request.read())
        if account.owner_sid != account.sid:
            raise TwilioError(20003, "A subaccount cannot have subaccounts")
        name = form.get("FriendlyName") or f"SubAccount Created at {utc_now():%Y-%m-%d %H:%M}"
        seed = AccountSeed(friendly_name=name, owner_account_sid=account.sid)
        return answer(account_json(self._exchange.world.add_account(seed)), 201)

    async def fetch(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One account."""
        return answer(account_json(account))

    async def update(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Rename, suspend, activate or close an account. Suspending a parent suspends its subaccounts."""
        form = Form.parse(await request.read())
        status = form.get("Status")
        if status and (status not in _STATUSES or account.status == "closed"):
            raise TwilioError(20001, "The status cannot be set")
        if status:
            self.set_status(account, status)
        account.friendly_name = form.get("FriendlyName") or account.friendly_name
        account.date_updated = utc_now()
        return answer(account_json(account))

    async def balance(self, request: web.Request, account: Account) -> web.StreamResponse:
        """What is left. Only a parent has a balance (20404 for a subaccount)."""
        if account.owner_sid != account.sid:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        balance = price_text(account.balance)
        return answer({"account_sid": account.sid, "balance": balance, "currency": "USD"})

    def set_status(self, account: Account, status: str) -> None:
        """Change the status of an account and, from a parent, of all its subaccounts."""
        for row in self._exchange.world.accounts.values():
            if row is account or row.owner_sid == account.sid:
                row.status = status
        self._exchange.world.changed()

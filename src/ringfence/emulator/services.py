"""What lives on Twilio's other hosts: messaging services with their pools, and the prices of numbers.

Lists of version 1 have a `meta` with absolute addresses, made of the host that the client used.
"""

from collections.abc import Sequence
from datetime import datetime

from aiohttp import web

from ringfence.emulator import catalogue
from ringfence.emulator.answers import answer
from ringfence.emulator.door import Door
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.form import Form
from ringfence.emulator.targets import read_target
from ringfence.emulator.world import Account, Number, Service
from ringfence.kit.clock import utc_now

_SERVICES = "/v1/Services"
# Dollars a month; what real ones cost is for Twilio to say.
_PRICES = {"Local": ("local", "1.15"), "TollFree": ("toll free", "2.15"), "Mobile": ("mobile", "1.15")}


class Services:
    """Handlers of messaging services and of prices."""

    def __init__(self, exchange: Exchange, door: Door) -> None:
        self._exchange = exchange
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """The routes. No account stands in these paths: the caller's own is meant."""
        guard = self._door.guard
        return [
            web.get(_SERVICES, guard("read", self.list)),
            web.post(_SERVICES, guard("write", self.create)),
            web.get(f"{_SERVICES}/{{sid}}/PhoneNumbers", guard("read", self.list_numbers)),
            web.post(f"{_SERVICES}/{{sid}}/PhoneNumbers", guard("write", self.add_number)),
            web.get("/v1/PhoneNumbers/Countries/{country}", guard("read", self.prices)),
        ]

    async def list(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The account's services, newest first."""
        rows = [_service_json(service) for service in reversed(account.services.values())]
        return answer(self._page(request, "services", rows))

    async def create(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Make a service."""
        form = Form.parse(await request.read())
        inbound_url = form.get("InboundRequestUrl")
        if not form.get("FriendlyName"):
            raise TwilioError(20001, "A FriendlyName is required")
        if inbound_url:
            try:
                read_target(inbound_url)
            except ValueError:
                raise TwilioError(21402) from None
        service = Service(
            sid=self._exchange.sids.sid("MG"),
            account_sid=account.sid,
            friendly_name=form.get("FriendlyName"),
            inbound_url=inbound_url,
            number_decides=form.get("UseInboundWebhookOnNumber") == "true",
            numbers=[],
            date_created=utc_now(),
        )
        account.services[service.sid] = service
        return answer(_service_json(service), 201)

    async def list_numbers(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The numbers in a service's pool."""
        service = _service(request, account)
        pool = [account.numbers[sid] for sid in service.numbers if sid in account.numbers]
        return answer(self._page(request, "phone_numbers", [_pooled_json(service, number) for number in pool]))

    async def add_number(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Put a number into a pool; it stands in one at most."""
        service = _service(request, account)
        number = account.numbers.get(Form.parse(await request.read()).get("PhoneNumberSid"))
        if number is None:
            raise TwilioError(20404)
        if any(number.sid in other.numbers for other in account.services.values()):
            raise TwilioError(21712)
        service.numbers.append(number.sid)
        return answer(_pooled_json(service, number), 201)

    async def prices(self, request: web.Request, account: Account) -> web.StreamResponse:
        """What numbers of a country cost a month, by type."""
        del account
        country = request.match_info["country"]
        if country not in catalogue.COUNTRIES:
            raise TwilioError(20404)
        prices = [
            {"number_type": _PRICES[kind][0], "base_price": _PRICES[kind][1], "current_price": _PRICES[kind][1]}
            for kind in catalogue.kinds(country)
        ]
        return answer(
            {
                "country": catalogue.COUNTRIES[country],
                "iso_country": country,
                "phone_number_prices": prices,
                "price_unit": "USD",
                "url": self._url(request.path),
            }
        )

    def _page(self, request: web.Request, key: str, rows: Sequence[dict[str, object]]) -> dict[str, object]:
        size = _whole(request.query.get("PageSize"), 50)
        number = _whole(request.query.get("Page"), 0)
        start = number * size

        def url(page: int) -> str:
            return self._url(f"{request.path}?PageSize={size}&Page={page}")

        return {
            key: list(rows[start : start + size]),
            "meta": {
                "first_page_url": url(0),
                "key": key,
                "next_page_url": url(number + 1) if len(rows) > start + size else None,
                "page": number,
                "page_size": size,
                "previous_page_url": url(number - 1) if number else None,
                "url": url(number),
            },
        }

    def _url(self, path: str) -> str:
        return self._exchange.base_url + path


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 5 else default


def _service(request: web.Request, account: Account) -> Service:
    service = account.services.get(request.match_info["sid"])
    if service is None:
        raise TwilioError(20404, f"The requested resource {request.path} was not found")
    return service


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _service_json(service: Service) -> dict[str, object]:
    return {
        "account_sid": service.account_sid,
        "date_created": _moment(service.date_created),
        "date_updated": _moment(service.date_created),
        "friendly_name": service.friendly_name,
        "inbound_method": "POST",
        "inbound_request_url": service.inbound_url or None,
        "sid": service.sid,
        "status_callback": None,
        "use_inbound_webhook_on_number": service.number_decides,
    }


def _pooled_json(service: Service, number: Number) -> dict[str, object]:
    return {
        "account_sid": service.account_sid,
        "capabilities": ["SMS", "MMS"] if number.mms else ["SMS"],
        "country_code": None,
        "date_created": _moment(number.date_created),
        "date_updated": _moment(number.date_updated),
        "phone_number": number.phone_number,
        "service_sid": service.sid,
        "sid": number.sid,
    }

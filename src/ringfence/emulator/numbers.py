"""The IncomingPhoneNumbers and AvailablePhoneNumbers resources: what an account owns, and what it can buy."""

from collections.abc import Iterable

from aiohttp import web

from ringfence.emulator import addresses, catalogue
from ringfence.emulator.answers import answer, no_content
from ringfence.emulator.door import Door, Handler
from ringfence.emulator.errors import TwilioError
from ringfence.emulator.exchange import Exchange
from ringfence.emulator.form import Form
from ringfence.emulator.messages import PREFIX
from ringfence.emulator.paging import page
from ringfence.emulator.renders import number_json
from ringfence.emulator.seeds import NumberSeed
from ringfence.emulator.targets import read_target
from ringfence.emulator.world import Account, Number
from ringfence.kit.clock import utc_now

_KINDS = {"Local": "local", "TollFree": "tollfree", "Mobile": "mobile"}

# Parameter of the API → field of the resource.
_URLS = {
    "SmsUrl": "sms_url",
    "SmsFallbackUrl": "sms_fallback_url",
    "VoiceUrl": "voice_url",
    "VoiceFallbackUrl": "voice_fallback_url",
    "StatusCallback": "status_callback",
}
_METHODS = {
    "SmsMethod": "sms_method",
    "SmsFallbackMethod": "sms_fallback_method",
    "VoiceMethod": "voice_method",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallbackMethod": "status_callback_method",
}
_APPLICATIONS = {"SmsApplicationSid": "sms_application_sid", "VoiceApplicationSid": "voice_application_sid"}

# What the test credentials answer to a purchase.
_MAGIC_PURCHASES = {"+15005550000": 21422, "+15005550001": 21421}
_MAGIC_AREA_CODES = {"533": 21452}

_DEFAULT_SEARCH_SIZE = 50


class Numbers:
    """Handlers of the number resources."""

    def __init__(self, exchange: Exchange, door: Door) -> None:
        self._exchange = exchange
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """The routes, the typed lists before the one that takes any SID."""
        guard = self._door.guard
        owned, free = f"{PREFIX}/IncomingPhoneNumbers", f"{PREFIX}/AvailablePhoneNumbers"
        typed = [
            route
            for kind in (None, *_KINDS)
            for route in (
                web.get(f"{owned}/{kind}.json" if kind else f"{owned}.json", guard("read", self._list(kind))),
                web.post(f"{owned}/{kind}.json" if kind else f"{owned}.json", guard("write", self._buy(kind))),
            )
        ]
        return [
            *typed,
            web.get(f"{owned}/{{sid}}.json", guard("read", self.fetch)),
            web.post(f"{owned}/{{sid}}.json", guard("write", self.update)),
            web.delete(f"{owned}/{{sid}}.json", guard("write", self.release)),
            web.get(f"{free}.json", guard("read", self.countries)),
            web.get(f"{free}/{{country}}.json", guard("read", self.country)),
            web.get(f"{free}/{{country}}/{{kind}}.json", guard("read", self.search)),
        ]

    def _list(self, kind: str | None) -> Handler:
        async def handle(request: web.Request, account: Account) -> web.StreamResponse:
            pattern, name = request.query.get("PhoneNumber"), request.query.get("FriendlyName")
            beta, origin = request.query.get("Beta"), request.query.get("Origin")

            def matches(number: Number) -> bool:
                return (
                    (not pattern or _fits(pattern, number.phone_number))
                    and (not name or number.friendly_name == name)
                    and beta != "true"
                    and origin in {None, "", "twilio"}
                    and (kind is None or addresses.number_type(number.phone_number) == _KINDS[kind])
                )

            rows = list(account.numbers.values())
            return answer(page(request, "incoming_phone_numbers", rows, matches, _render))

        return handle

    def _buy(self, kind: str | None) -> Handler:
        async def handle(request: web.Request, account: Account) -> web.StreamResponse:
            form = Form.parse(await request.read())
            if account.kind == "Trial" and account.numbers:
                raise TwilioError(21404)
            offer = self._chosen(form, kind)
            settings = _settings(form)
            seed = NumberSeed(
                phone_number=offer.phone_number,
                friendly_name=form.get("FriendlyName") or offer.friendly_name,
                mms=offer.mms,
            )
            number = self._exchange.world.add_number(account, offer.phone_number, seed)
            number.settings.update(settings)
            return answer(_render(number), 201)

        return handle

    async def fetch(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One number."""
        return answer(_render(self._number(request, account)))

    async def update(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Change addresses, methods, name, or move the number to another account of the family."""
        number = self._number(request, account)
        form = Form.parse(await request.read())
        settings = _settings(form)
        new_home = self._home(account, form.get("AccountSid"))
        number.settings.update(settings)
        if form.has("FriendlyName"):
            number.friendly_name = form.get("FriendlyName") or addresses.national(number.phone_number)
        if new_home is not None:
            del account.numbers[number.sid]
            new_home.numbers[number.sid] = number
            number.account_sid = new_home.sid
            # Lists are in order of serial, and the number is new in this one.
            number.serial = self._exchange.world.next_serial()
        number.date_updated = utc_now()
        self._exchange.world.changed()
        return answer(_render(number))

    async def release(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Give a number back; it can be bought again."""
        self._exchange.world.remove_number(self._number(request, account))
        return no_content()

    async def countries(self, request: web.Request, account: Account) -> web.StreamResponse:
        """The countries with numbers for sale."""
        listed = [_country_json(account, code) for code in catalogue.COUNTRIES]
        return answer({"countries": listed, "uri": request.raw_path})

    async def country(self, request: web.Request, account: Account) -> web.StreamResponse:
        """One country and the kinds of number it has."""
        code = request.match_info["country"]
        if code not in catalogue.COUNTRIES:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return answer(_country_json(account, code))

    async def search(self, request: web.Request, account: Account) -> web.StreamResponse:
        """Numbers for sale, filtered; one page, without paging keys."""
        found = catalogue.offers(request.match_info["country"], request.match_info["kind"])
        if not found:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        size = request.query.get("PageSize", "")
        limit = int(size) if size.isascii() and size.isdigit() and int(size) > 0 else _DEFAULT_SEARCH_SIZE
        chosen = [offer.as_json() for offer in self._free(found) if _wanted(request, offer)]
        return answer({"available_phone_numbers": chosen[:limit], "uri": request.raw_path})

    def _free(self, found: Iterable[catalogue.Offer]) -> list[catalogue.Offer]:
        return [offer for offer in found if offer.phone_number not in self._exchange.world.numbers]

    def _chosen(self, form: Form, kind: str | None) -> catalogue.Offer:
        """The offer a purchase asks for. Raises TwilioError 21421, 21422, 21451 or 21452."""
        text, area_code = form.get("PhoneNumber"), form.get("AreaCode")
        if text:
            phone_number = addresses.e164(text)
            if phone_number is None or phone_number in _MAGIC_PURCHASES:
                raise TwilioError(_MAGIC_PURCHASES.get(phone_number or "", 21421))
            if phone_number == addresses.SUCCESS_NUMBER:
                return self._unowned(catalogue.Offer(phone_number, "US", "Local", "500", "", "", ""))
            offer = catalogue.offer_of(phone_number)
            if offer is None or (kind is not None and offer.kind != kind):
                raise TwilioError(21422)
            return self._unowned(offer)
        if not (area_code.isascii() and area_code.isdigit() and len(area_code) == 3):
            raise TwilioError(21451 if area_code else 21421)
        if area_code in _MAGIC_AREA_CODES:
            raise TwilioError(_MAGIC_AREA_CODES[area_code])
        # Area code 500 is a magic one: any number will do.
        for offer in self._free(catalogue.offers("US", kind or "Local")):
            if area_code in {offer.area_code, "500"}:
                return offer
        raise TwilioError(21452)

    def _unowned(self, offer: catalogue.Offer) -> catalogue.Offer:
        if offer.phone_number in self._exchange.world.numbers:
            raise TwilioError(21422)
        return offer

    def _number(self, request: web.Request, account: Account) -> Number:
        number = account.numbers.get(request.match_info["sid"])
        if number is None:
            raise TwilioError(20404, f"The requested resource {request.path} was not found")
        return number

    def _home(self, account: Account, sid: str) -> Account | None:
        """The account a number moves to, or None if it stays. Only accounts of one family may pass numbers on."""
        if not sid or sid == account.sid:
            return None
        home = self._exchange.world.accounts.get(sid)
        if home is None or home.owner_sid != account.owner_sid:
            raise TwilioError(20404, "The account was not found")
        return home


def _render(number: Number) -> dict[str, object]:
    return number_json(number, addresses.number_type(number.phone_number))


def _settings(form: Form) -> dict[str, str]:
    """The changes a form asks for. An application and an address exclude each other: the one given wins.

    Raises TwilioError 21402 for an address that is not http(s), 21403 for a method other than GET and POST.
    """
    changes: dict[str, str] = {}
    for name, field in _URLS.items():
        if form.has(name):
            changes[field] = _checked_url(form.get(name))
    for name, field in _METHODS.items():
        if form.has(name):
            changes[field] = form.get(name).upper()
            if changes[field] not in {"GET", "POST"}:
                raise TwilioError(21403)
    for name, field in _APPLICATIONS.items():
        url = field.replace("_application_sid", "_url")
        if form.get(name):
            changes |= {field: form.get(name), url: ""}
        elif form.has(name) or changes.get(url):
            changes[field] = ""
    return changes


def _checked_url(text: str) -> str:
    if text:
        try:
            read_target(text)
        except ValueError:
            raise TwilioError(21402) from None
    return text


def _fits(pattern: str, number: str) -> bool:
    """Whether a number matches digits with `*` for any one; a pattern may be a part of the number."""
    digits = pattern.lstrip("+")
    starts = range(1, len(number) - len(digits) + 1)
    return any(_fits_at(digits, number[start:]) for start in starts)


def _fits_at(digits: str, rest: str) -> bool:
    return all(wanted in {"*", digit} for wanted, digit in zip(digits, rest, strict=False))


def _wanted(request: web.Request, offer: catalogue.Offer) -> bool:
    query = request.query
    if query.get("MmsEnabled", "") == "true" and not offer.mms:
        return False
    if "false" in {query.get("SmsEnabled"), query.get("VoiceEnabled")} or query.get("FaxEnabled") == "true":
        return False
    return (
        query.get("AreaCode") in {None, "", offer.area_code}
        and _fits(query.get("Contains", "") or "*", offer.phone_number)
        and query.get("InRegion", "").upper() in {"", offer.region}
        and query.get("InLocality", "").casefold() in {"", offer.locality.casefold()}
        and query.get("InPostalCode", "") in {"", offer.postal_code}
    )


def _country_json(account: Account, code: str) -> dict[str, object]:
    path = f"/2010-04-01/Accounts/{account.sid}/AvailablePhoneNumbers/{code}"
    names = {"Local": "local", "TollFree": "toll_free", "Mobile": "mobile"}
    return {
        "beta": False,
        "country": catalogue.COUNTRIES[code],
        "country_code": code,
        "subresource_uris": {names[kind]: f"{path}/{kind}.json" for kind in catalogue.kinds(code)},
        "uri": f"{path}.json",
    }

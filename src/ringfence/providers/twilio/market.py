"""Numbers for sale: searching, buying, giving back."""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from ringfence.kit.money import Money, parse_money
from ringfence.providers.twilio.connection import Connection, checked_sid, unusable_is_unreachable
from ringfence.providers.twilio.errors import NotFoundAtTwilioError, TwilioUnreachableError
from ringfence.providers.twilio.records import NumberInfo, OfferInfo, number_info, offer_info

OfferKind = Literal["local", "mobile", "toll-free"]

_PRICE_NAMES: Final[dict[OfferKind, str]] = {"local": "local", "mobile": "mobile", "toll-free": "toll free"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a number for sale must be; None means: as it comes. `contains` is digits, letters and `*` for any one."""

    country: str
    kind: OfferKind
    area_code: int | None = None
    contains: str | None = None
    sms: bool | None = None
    mms: bool | None = None
    voice: bool | None = None
    limit: int = 20


class Market(Connection):
    """The calls about numbers that the account does not have, or is to have no more."""

    async def search_offers(self, wanted: Wanted) -> list[OfferInfo]:
        """Numbers for sale. None of them is kept for anybody.

        Raises NotFoundAtTwilioError where a country has no numbers of this kind.
        """
        filters: dict[str, Any] = {
            "area_code": wanted.area_code,
            "contains": wanted.contains,
            "sms_enabled": wanted.sms,
            "mms_enabled": wanted.mms,
            "voice_enabled": wanted.voice,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        country = self._api.available_phone_numbers(wanted.country)
        kinds = {"local": country.local, "mobile": country.mobile, "toll-free": country.toll_free}
        with unusable_is_unreachable():
            page = await kinds[wanted.kind].page_async(page_size=wanted.limit, **given)
            return [offer_info(instance) for instance in page][: wanted.limit]

    async def monthly_price(self, country: str, kind: OfferKind) -> Money | None:
        """What a number of a country and kind costs this account a month; None where Twilio names no price."""
        with unusable_is_unreachable():
            found = await self._api.pricing.v1.phone_numbers.countries(country).fetch_async()
            prices = cast("list[dict[str, Any]]", found.phone_number_prices or [])
            for price in prices:
                if price.get("number_type") == _PRICE_NAMES[kind] and price.get("current_price") is not None:
                    return parse_money(str(price["current_price"]), str(found.price_unit).upper())
        return None

    async def buy_number(
        self,
        phone_number: str,
        *,
        friendly_name: str | None,
        sms_url: str,
        voice_url: str,
        status_callback: str,
    ) -> NumberInfo:
        """Buy a number, which costs money; its inbound texts and calls go to the addresses by POST from the first on.

        Twilio has no idempotency key here: after TwilioUnreachableError (but `busy`) it may be bought; `find_number`
        tells.
        """
        named = {} if friendly_name is None else {"friendly_name": friendly_name}
        with unusable_is_unreachable():
            instance = await self._api.incoming_phone_numbers.create_async(
                phone_number=phone_number,
                sms_url=sms_url,
                sms_method="POST",
                voice_url=voice_url,
                voice_method="POST",
                status_callback=status_callback,
                status_callback_method="POST",
                **named,
            )
            info = number_info(instance)
        self._require_own(info.account_sid)
        if info.phone_number != phone_number:
            raise TwilioUnreachableError("bad_answer")
        return info

    async def find_number(self, phone_number: str) -> NumberInfo | None:
        """The account's own number (E.164), None if Twilio lists no such one just now."""
        with unusable_is_unreachable():
            page = await self._api.incoming_phone_numbers.page_async(phone_number=phone_number, page_size=20)
            found = [number_info(instance) for instance in page]
        # Twilio also finds numbers that only contain the digits.
        exact = [info for info in found if info.phone_number == phone_number]
        for info in exact:
            self._require_own(info.account_sid)
        return exact[0] if exact else None

    async def release_number(self, sid: str) -> None:
        """Give a number back, for good; one that is gone already is no error."""
        number = self._api.incoming_phone_numbers(checked_sid(sid, "PN"))
        with unusable_is_unreachable():
            try:
                deleted = await number.delete_async()
            except NotFoundAtTwilioError:
                return
        if not deleted:
            raise TwilioUnreachableError("bad_answer")

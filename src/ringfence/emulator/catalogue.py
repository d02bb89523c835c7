"""Numbers that can be bought: made up from ranges kept for fiction, so that nobody's telephone rings.

North America keeps 555-0100 to 555-0199 in every area code; Ofcom keeps 020 7946 0xxx and 07700 900xxx.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ringfence.emulator import addresses

COUNTRIES = {"US": "United States", "CA": "Canada", "GB": "United Kingdom"}


@dataclass(frozen=True, slots=True)
class Offer:
    """A number for sale. `kind` is Local, TollFree or Mobile."""

    phone_number: str
    country: str
    kind: str
    area_code: str
    locality: str
    region: str
    postal_code: str
    mms: bool = True

    @property
    def friendly_name(self) -> str:
        """The number as people of its country write it."""
        return addresses.national(self.phone_number)

    def as_json(self) -> dict[str, object]:
        """An AvailablePhoneNumber resource."""
        return {
            "address_requirements": "none",
            "beta": False,
            "capabilities": {"mms": self.mms, "sms": True, "voice": True},
            "friendly_name": self.friendly_name,
            "iso_country": self.country,
            "lata": None,
            "latitude": None,
            "locality": self.locality or None,
            "longitude": None,
            "phone_number": self.phone_number,
            "postal_code": self.postal_code or None,
            "rate_center": None,
            "region": self.region or None,
        }


_PLACES = (
    ("US", "602", "Phoenix", "AZ", "85003"),
    ("US", "480", "Mesa", "AZ", "85201"),
    ("US", "520", "Tucson", "AZ", "85701"),
    ("US", "212", "New York", "NY", "10001"),
    ("US", "305", "Miami", "FL", "33101"),
    ("US", "312", "Chicago", "IL", "60601"),
    ("US", "415", "San Francisco", "CA", "94103"),
    ("US", "512", "Austin", "TX", "78701"),
    ("US", "617", "Boston", "MA", "02108"),
    ("US", "206", "Seattle", "WA", "98101"),
    ("US", "720", "Denver", "CO", "80202"),
    ("US", "404", "Atlanta", "GA", "30303"),
    ("CA", "416", "Toronto", "ON", "M5H"),
    ("CA", "514", "Montreal", "QC", "H2Y"),
    ("CA", "604", "Vancouver", "BC", "V5K"),
)
_TOLL_FREE = ("800", "833", "844", "855", "866", "877", "888")


@cache
def offers(country: str, kind: str) -> tuple[Offer, ...]:
    """Everything for sale in a country by kind; empty if there is nothing of that kind."""
    return tuple(_offers(country, kind))


def _offers(country: str, kind: str) -> Iterator[Offer]:
    # Neighbouring offers differ in place, as a real search result does, and the order never changes.
    for line in (100 + step * 37 % 100 for step in range(100)):
        if kind == "Local":
            for place_country, area, locality, region, postal_code in _PLACES:
                if place_country == country:
                    number = f"+1{area}5550{line}"
                    yield Offer(number, country, kind, area, locality, region, postal_code)
        elif kind == "TollFree" and country in {"US", "CA"}:
            for area in _TOLL_FREE:
                yield Offer(f"+1{area}5550{line}", country, kind, area, "", "", "")
    if country == "GB" and kind == "Local":
        for line in range(100, 200):
            yield Offer(f"+4420794600{line % 100:02d}", country, kind, "20", "London", "", "", mms=False)
    if country == "GB" and kind == "Mobile":
        for line in range(100, 200):
            yield Offer(f"+447700900{line}", country, kind, "7700", "", "", "", mms=False)


def kinds(country: str) -> list[str]:
    """The kinds a country has."""
    return [kind for kind in ("Local", "TollFree", "Mobile") if offers(country, kind)]


@cache
def _by_number() -> dict[str, Offer]:
    return {
        offer.phone_number: offer for country in COUNTRIES for kind in kinds(country) for offer in offers(country, kind)
    }


def offer_of(phone_number: str) -> Offer | None:
    """The offer for one E.164 number, if it is in the catalogue."""
    return _by_number().get(phone_number)

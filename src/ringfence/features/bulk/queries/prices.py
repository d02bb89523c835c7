"""What a segment costs the company, by country: as it was set, else as its own settled texts cost."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median_low
from typing import Final

from sqlalchemy import select

from ringfence.features.bulk.model.sends import SegmentPrice
from ringfence.features.bulk.values.sends import Price
from ringfence.features.messages.model import Message
from ringfence.kit.phone import region_of
from ringfence.tenancy.sessions import TenantSession

_LOOKED_AT: Final = 20_000
_ENOUGH: Final = 2_000


async def prices(session: TenantSession) -> dict[str, Price]:
    """The price of each country for which there is any, by country."""
    rows = await session.scalars(select(SegmentPrice).where(SegmentPrice.company_id == session.company_id))
    given = {row.country: Price(row.country, row.micros, row.currency, 0) for row in rows}
    return await measured(session) | given


async def measured(session: TenantSession) -> dict[str, Price]:
    """The median price of a segment among the company's newest settled texts, by country.

    Where Twilio charged in more than one currency, in the one that most texts cost.
    """
    newest = (
        select(Message.to_number, Message.price_micros, Message.price_currency, Message.num_segments, Message.direction)
        .where(Message.company_id == session.company_id)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    rows = await session.execute(
        select(newest.c.to_number, newest.c.price_micros, newest.c.price_currency, newest.c.num_segments)
        .where(newest.c.direction == "outbound", newest.c.price_micros.is_not(None), newest.c.num_segments > 0)
        .limit(_ENOUGH)
    )
    found: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        country = region_of(row.to_number)
        if country is not None:
            found[country][row.price_currency].append(abs(row.price_micros) // row.num_segments)
    return {country: _median(country, by_currency.items()) for country, by_currency in found.items()}


def _median(country: str, by_currency: Iterable[tuple[str, list[int]]]) -> Price:
    currency, costs = max(by_currency, key=lambda item: (len(item[1]), item[0]))
    return Price(country, median_low(costs), currency, len(costs))

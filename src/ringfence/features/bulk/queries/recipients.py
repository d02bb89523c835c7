"""Reading what a list's rows became, in their order."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from ringfence.features.bulk.model.lists import ListParcel, RecipientList
from ringfence.features.bulk.values.lists import PARCEL, Recipient, Rejected, variable_names, with_names
from ringfence.tenancy.sessions import TenantSession

_PARCELS = 2


async def recipients_after(session: TenantSession, list_id: UUID, position: int, limit: int) -> list[Recipient]:
    """Up to `limit` recipients of a list after a position (0: from the first), in their order."""
    found: list[Recipient] = []
    names = await _variable_names(session, list_id)
    while len(found) < limit:
        parcels = await _parcels_after(session, list_id, position, parcels=-(-(limit - len(found)) // PARCEL) + 1)
        if not parcels:
            break
        for parcel in parcels:
            found += (item for item in _recipients(parcel, names) if item.position > position)
        position = parcels[-1].last_position
    return found[:limit]


async def rejected_after(session: TenantSession, list_id: UUID, begins_at: int) -> tuple[list[Rejected], int | None]:
    """Rejected rows of some parcels that begin at or after a row, and where to go on: None after the last."""
    parcels = (
        await session.scalars(
            select(ListParcel)
            .where(
                ListParcel.company_id == session.company_id,
                ListParcel.list_id == list_id,
                ListParcel.begins_at >= begins_at,
                ListParcel.rejected_count > 0,
            )
            .order_by(ListParcel.begins_at)
            .limit(_PARCELS)
        )
    ).all()
    found = [Rejected(*item) for parcel in parcels for item in json.loads(parcel.rejected)]
    return found, parcels[-1].begins_at + 1 if len(parcels) == _PARCELS else None


async def _variable_names(session: TenantSession, list_id: UUID) -> list[str] | None:
    """The names of the values that a recipient was stored with, in their order; None in a list of contacts."""
    row = (
        await session.execute(
            select(RecipientList.source, RecipientList.mapping).where(
                RecipientList.company_id == session.company_id, RecipientList.id == list_id
            )
        )
    ).one_or_none()
    if row is None or row.source == "contacts":
        return None
    return variable_names({int(at): name for at, name in row.mapping.items()})


async def _parcels_after(session: TenantSession, list_id: UUID, position: int, *, parcels: int) -> Sequence[ListParcel]:
    query = select(ListParcel).where(
        ListParcel.company_id == session.company_id,
        ListParcel.list_id == list_id,
        ListParcel.last_position > position,
    )
    return (await session.scalars(query.order_by(ListParcel.last_position, ListParcel.begins_at).limit(parcels))).all()


def _recipients(parcel: ListParcel, names: Sequence[str] | None) -> Iterator[Recipient]:
    stored: list[list[Any]] = json.loads(parcel.recipients)
    before = parcel.last_position - parcel.recipients_count
    for position, (line, number, *values) in enumerate(stored, before + 1):
        if names is None:
            yield Recipient(position=position, line=None, phone_number=number, variables={}, contact_id=UUID(values[0]))
        else:
            given = {name: value for name, value in zip(names, values, strict=True) if value}
            yield Recipient(
                position=position, line=line, phone_number=number, variables=with_names(given), contact_id=None
            )

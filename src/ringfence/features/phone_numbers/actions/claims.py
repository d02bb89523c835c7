"""Claims: an account's number belongs to one company at a time, by a unique key in the directory.

The directory row is written in the same transaction as the number. The app role may not read other companies' rows, so
a claim is tried, and what did not come back is held by somebody else.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from ringfence.features.phone_numbers.model import DirectoryNumber, PhoneNumber
from ringfence.tenancy.sessions import TenantSession

_BATCH = 1000


async def claim(session: TenantSession, numbers: Sequence[PhoneNumber]) -> set[UUID]:
    """Claim stored numbers for the company; the ids of those that another company holds and that were not claimed.

    Give numbers in one order everywhere (by number): two companies that claim at once then wait for each other in turn
    and never in a circle. A company that is just claiming the same number is waited for.
    """
    if not numbers:
        return set()
    ids = [number.id for number in numbers]
    # A number that comes back, or moves to another account, has a row already: claims are replaced, never changed.
    await session.execute(
        delete(DirectoryNumber).where(
            DirectoryNumber.company_id == session.company_id, DirectoryNumber.phone_number_id.in_(ids)
        )
    )
    claimed = await session.scalars(
        insert(DirectoryNumber)
        .values(
            [
                {
                    "company_id": session.company_id,
                    "phone_number_id": number.id,
                    "account_sid": number.account_sid,
                    "phone_number": number.phone_number,
                }
                for number in numbers
            ]
        )
        .on_conflict_do_nothing()
        .returning(DirectoryNumber.phone_number_id)
    )
    return set(ids) - set(claimed)


async def remember(session: TenantSession, numbers: Sequence[PhoneNumber]) -> None:
    """Keep that the company held released numbers, and until when, after a claim to have them back has failed."""
    if not numbers:
        return
    await session.execute(
        insert(DirectoryNumber)
        .values(
            [
                {
                    "company_id": session.company_id,
                    "phone_number_id": number.id,
                    "account_sid": number.account_sid,
                    "phone_number": number.phone_number,
                    "released_at": number.released_at,
                }
                for number in numbers
            ]
        )
        .on_conflict_do_nothing()
    )


async def release(session: TenantSession, number_ids: Sequence[UUID], *, at: datetime) -> None:
    """Give claims up at an instant: another company may take the numbers from now on."""
    for start in range(0, len(number_ids), _BATCH):
        await session.execute(
            update(DirectoryNumber)
            .where(
                DirectoryNumber.company_id == session.company_id,
                DirectoryNumber.phone_number_id.in_(number_ids[start : start + _BATCH]),
            )
            .values(released_at=at)
            .execution_options(synchronize_session=False)
        )

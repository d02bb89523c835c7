"""What an inbound text needs to know before it is stored, in one round trip."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select

from ringfence.features.phone_numbers.model import DirectoryNumber
from ringfence.tenancy.sessions import PlatformSession, TenantSession
from ringfence.tenancy.statements import register

_SURROUNDINGS = register(
    "messages.surroundings",
    """
    SELECT
        (SELECT id FROM phone_numbers
         WHERE company_id = :company_id AND phone_number = :to_number AND released_at IS NULL) AS phone_number_id,
        COALESCE(
            (SELECT id FROM contacts
             WHERE company_id = :company_id AND phone_number = :from_number AND deleted_at IS NULL),
            (SELECT into_it.id FROM contacts merged
             JOIN contacts into_it ON into_it.company_id = :company_id AND into_it.id = merged.merged_into
                                  AND into_it.deleted_at IS NULL
             WHERE merged.company_id = :company_id AND merged.phone_number = :from_number
               AND merged.merged_into IS NOT NULL)
        ) AS contact_id,
        EXISTS (SELECT FROM sms_messages WHERE company_id = :company_id AND twilio_sid = :twilio_sid) AS is_known,
        EXISTS (SELECT FROM company_settings
                WHERE company_id = :company_id AND texting -> 'auto_reply' IS NOT NULL) AS auto_reply
    """,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The company's own number, the contact with the outside number, whether the text is stored already.

    `auto_reply` is whether the company answers by itself while it is closed.
    """

    phone_number_id: UUID | None
    contact_id: UUID | None
    is_known: bool
    auto_reply: bool


async def surroundings(session: TenantSession, *, from_number: str, to_number: str, twilio_sid: str) -> Surroundings:
    """Look up both ends of an inbound text, and the text itself."""
    row = (
        await session.execute(
            _SURROUNDINGS,
            {
                "company_id": session.company_id,
                "from_number": from_number,
                "to_number": to_number,
                "twilio_sid": twilio_sid,
            },
        )
    ).one()
    return Surroundings(row.phone_number_id, row.contact_id, row.is_known, row.auto_reply)


async def is_held_elsewhere(session: PlatformSession, *, company_id: UUID, phone_number: str) -> bool:
    """Whether another company holds a number, under whichever account.

    Asked only when a genuine webhook names a number that its own company does not hold.
    """
    found = await session.scalar(
        select(
            exists().where(
                DirectoryNumber.phone_number == phone_number,
                DirectoryNumber.released_at.is_(None),
                DirectoryNumber.company_id != company_id,
            )
        )
    )
    return bool(found)

"""Gathering what the gate asks about: for one new text, and for many claimed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, select

from ringfence.dispatch.ports import Refuse, Text
from ringfence.errors import RefusedError
from ringfence.features.companies.model import Company, CompanySettings
from ringfence.features.companies.schemas.texting import TextingRules
from ringfence.features.consent import queries as consent
from ringfence.features.messages.model import Media, Message
from ringfence.features.messages.queries.gate import Connection, Facts
from ringfence.features.messages.queries.timing import Timed, timings
from ringfence.features.messages.values import DUPLICATE_SECONDS, NOT_SENT
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.features.phone_numbers.errors import SenderInactiveError, UnknownSenderError
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.twilio_settings.model import TwilioSettings
from ringfence.features.twilio_settings.values import EXPLANATIONS
from ringfence.kit.clock import utc_now
from ringfence.kit.phone import region_of
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register


@dataclass(frozen=True, slots=True)
class Standing:
    """What the company is and wants: may it send at all, its own rules, and its zone."""

    connection: Connection
    rules: TextingRules
    home: ZoneInfo


async def standing(session: TenantSession) -> Standing:
    """How things stand with the company."""
    own_twilio = and_(TwilioSettings.company_id == Company.id, TwilioSettings.company_id == session.company_id)
    own_settings = and_(CompanySettings.company_id == Company.id, CompanySettings.company_id == session.company_id)
    row = (
        await session.execute(
            select(
                Company.status,
                Company.time_zone,
                TwilioSettings.status.label("connection"),
                TwilioSettings.status_reason,
                CompanySettings.texting,
            )
            .join(TwilioSettings, own_twilio, isouter=True)
            .join(CompanySettings, own_settings, isouter=True)
            .where(Company.id == session.company_id)
        )
    ).one()
    explanation = EXPLANATIONS.get(row.status_reason or "")
    return Standing(
        Connection(row.status == "active", row.connection, explanation.reason if explanation else None),
        TextingRules.model_validate(row.texting or {}),
        ZoneInfo(row.time_zone),
    )


async def connection(session: TenantSession) -> Connection:
    """Whether the company may send at all."""
    return (await standing(session)).connection


def blocked_country(rules: TextingRules, to_number: str) -> str | None:
    """The country of a number if the company's rules do not let texts go there, else None."""
    if rules.countries is None:
        return None
    country = region_of(to_number) or "unknown"
    return None if country in rules.countries else country


async def choose_sender(
    session: TenantSession, *, to_number: str, conversation_number_id: UUID | None, requested: str | None, media: int
) -> PhoneNumber | Refuse:
    """The number a text goes out from, or why there is none.

    Raises UnknownSenderError: a number that is not the company's is a mistake in the request, not a refusal.
    """
    try:
        return await phone_numbers.choose_sender(
            session,
            conversation_number_id=conversation_number_id,
            requested=requested,
            needs_mms=media > 0,
            to_region=region_of(to_number),
        )
    except UnknownSenderError:
        raise
    except RefusedError as error:
        return Refuse(error.code, error.detail)


async def is_duplicate(
    session: TenantSession, *, to_number: str, body: str, media_urls: Sequence[str], apart_from: UUID | None
) -> bool:
    """Whether the same body and attachments went (or wait to go) to the number within the last seconds."""
    recent = (
        await session.scalars(
            select(Message.id).where(
                Message.company_id == session.company_id,
                Message.to_number == to_number,
                Message.created_at > utc_now() - timedelta(seconds=DUPLICATE_SECONDS),
                Message.direction == "outbound",
                Message.body == body,
                Message.num_media == len(media_urls),
                Message.status.not_in(NOT_SENT),
                Message.deleted_at.is_(None),
            )
        )
    ).all()
    candidates = [message_id for message_id in recent if message_id != apart_from]
    if not candidates or not media_urls:
        return bool(candidates)
    attached = await addresses(session, candidates)
    return any(attached.get(message_id) == tuple(media_urls) for message_id in candidates)


async def addresses(session: TenantSession, message_ids: Sequence[UUID]) -> dict[UUID, tuple[str, ...]]:
    """The attachments' addresses of each text that has any, in order."""
    rows = await session.execute(
        select(Media.message_id, Media.source_url)
        .where(Media.company_id == session.company_id, Media.message_id.in_(message_ids))
        .order_by(Media.message_id, Media.position)
    )
    found: dict[UUID, tuple[str, ...]] = {}
    for row in rows:
        found[row.message_id] = (*found.get(row.message_id, ()), row.source_url)
    return found


@dataclass(frozen=True, slots=True)
class Stored:
    """A text as it is stored: what Twilio is told, whether it still waits for that, and what rules look at."""

    text: Text
    timed: Timed
    waits: bool
    held: bool
    phone_number_id: UUID | None
    sender_active: bool


_TEXTS = register(
    "messages.texts",
    """
    SELECT m.id, m.from_number, m.to_number, m.body, m.num_media, m.phone_number_id, m.conversation_id, m.source,
           m.num_segments, m.created_at, m.released_at IS NOT NULL AS released, m.status = 'held' AS held,
           m.status IN ('queued', 'held') AND m.twilio_sid IS NULL AND m.deleted_at IS NULL AS waits,
           p.status = 'active' AND p.released_at IS NULL AS sender_active
    FROM sms_messages m
    LEFT JOIN phone_numbers p ON p.company_id = :company_id AND p.id = m.phone_number_id
    WHERE m.company_id = :company_id AND m.id = ANY(CAST(:ids AS uuid[])) AND m.direction = 'outbound'
    """,
)


async def stored(session: TenantSession, message_ids: Sequence[UUID]) -> list[Stored]:
    """Outbound texts with their attachments' addresses; unknown ids are left out."""
    found = await session.execute(_TEXTS, {"company_id": session.company_id, "ids": list(message_ids)})
    rows = found.all()
    with_media = [row.id for row in rows if row.num_media]
    attached = await addresses(session, with_media) if with_media else {}
    return [
        Stored(
            text=Text(row.id, row.from_number or "", row.to_number, row.body, attached.get(row.id, ())),
            timed=Timed(
                id=row.id,
                to_number=row.to_number,
                conversation_id=row.conversation_id,
                source=row.source,
                segments=row.num_segments,
                at=row.created_at,
                released=row.released,
            ),
            waits=row.waits,
            held=row.held,
            phone_number_id=row.phone_number_id,
            sender_active=bool(row.sender_active),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A text that the dispatcher took, with what the gate asks about, and whether it was held until now."""

    text: Text
    facts: Facts
    held: bool
    segments: int


async def claimed(session: TenantSession, message_ids: Sequence[UUID], state: Standing) -> list[Claimed]:
    """Facts about texts that still wait, oldest first; those that are settled, deleted or unknown are left out."""
    waiting = [item for item in await stored(session, message_ids) if item.waits]
    waiting.sort(key=lambda item: (item.timed.at, item.timed.id))
    if not waiting:
        return []
    blocks = await consent.find_blocks(session, {item.text.to_number for item in waiting})
    timing = await timings(session, [item.timed for item in waiting], rules=state.rules, home=state.home)
    inactive = SenderInactiveError()
    return [
        Claimed(
            item.text,
            Facts(
                connection=state.connection,
                sender_refusal=None if item.sender_active else Refuse(inactive.code, inactive.detail),
                opted_out=blocks.cover(item.text.to_number, item.phone_number_id),
                duplicate=False,
                timing=timing.get(item.text.message_id),
                blocked_country=blocked_country(state.rules, item.text.to_number),
            ),
            item.held,
            item.timed.segments,
        )
        for item in waiting
    ]

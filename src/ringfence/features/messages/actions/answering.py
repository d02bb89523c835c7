"""The automatic reply: once a day and conversation, while the company is closed, through the gate like any text."""

from datetime import timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select

from ringfence.features.audit_log.values import SYSTEM
from ringfence.features.companies import queries as companies
from ringfence.features.companies.schemas.texting import AutoReply, TextingRules
from ringfence.features.consent import queries as consent
from ringfence.features.conversations.values import THE_COMPANY
from ringfence.features.messages.actions.sending import Draft, hand_in, take_turns
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries.messages import find_message
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.kit.clock import utc_now
from ringfence.kit.hours import first_allowed, midnight_before
from ringfence.tenancy.sessions import TenantSession

_STILL_WANTED: Final = timedelta(hours=1)
"""After an outage nobody wants to read in the morning that the company was closed last night."""


async def answer_by_itself(session: TenantSession, message_id: UUID) -> Message | None:
    """Answer an inbound text if it came while the company is closed; the answer, or None when there is none.

    Nobody is answered who opted out, nor one of the company's own numbers (two that answer each other would never
    stop), nor twice on one day of the company's zone in one conversation, nor from a number that was given up since.
    """
    inbound = await find_message(session, THE_COMPANY, message_id)
    if inbound is None or inbound.from_number is None or inbound.created_at < utc_now() - _STILL_WANTED:
        return None
    rules = await companies.texting_rules(session)
    home = ZoneInfo((await companies.own_company(session)).time_zone)
    if rules.auto_reply is None or _is_open(rules, rules.auto_reply, inbound, home):
        return None
    await take_turns(session, inbound.from_number)
    if await _unwelcome(session, inbound, home):
        return None
    draft = Draft(
        to_number=inbound.from_number,
        from_number=inbound.to_number,
        body=rules.auto_reply.body,
        source="auto_reply",
    )
    return await hand_in(session, draft, actor=SYSTEM)


def _is_open(rules: TextingRules, reply: AutoReply, inbound: Message, home: ZoneInfo) -> bool:
    week = reply.week(frozenset(rules.holidays))
    return first_allowed(week, [home], inbound.created_at) == inbound.created_at


async def _unwelcome(session: TenantSession, inbound: Message, home: ZoneInfo) -> bool:
    outside = inbound.from_number or ""
    if await phone_numbers.held(session, inbound.to_number) is None:
        return True
    if await phone_numbers.held(session, outside) is not None:
        return True
    if await consent.is_opted_out(session, inbound.phone_number_id, [outside]):
        return True
    answered = exists().where(
        Message.company_id == session.company_id,
        Message.conversation_id == inbound.conversation_id,
        Message.created_at >= midnight_before(inbound.created_at, home),
        Message.source == "auto_reply",
    )
    return bool(await session.scalar(select(answered)))

"""Storing texts of the past: silently, at their own times, as they ended. Nothing is sent and nobody is notified."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ringfence.errors import InvalidInputError
from ringfence.features.contacts import queries as contacts
from ringfence.features.conversations import actions as conversations
from ringfence.features.conversations.values import preview_of
from ringfence.features.messages.actions import indexing, recording
from ringfence.features.messages.actions.indexing import Said
from ringfence.features.messages.actions.merging import Event
from ringfence.features.messages.model import Message
from ringfence.features.phone_numbers import queries as phone_numbers
from ringfence.kit.ids import new_id
from ringfence.kit.segments import count_segments
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True, kw_only=True)
class PastText:
    """A text that went in or out before. Numbers are E.164; `at` is aware."""

    outbound: bool
    our_number: str
    outside_number: str
    body: str = field(repr=False)
    at: datetime


async def record_past(session: TenantSession, texts: Sequence[PastText]) -> None:
    """Store texts of the past, oldest first. An answer of ours means that what came before it was read.

    Raises InvalidInputError when `our_number` is not one of the company's.
    """
    for text in sorted(texts, key=lambda item: item.at):
        number = await phone_numbers.held(session, text.our_number)
        if number is None:
            raise InvalidInputError("unknown_number", "A text of the past names a number that is not the company's.")
        contact = await contacts.find_by_number(session, text.outside_number)
        conversation_id = await conversations.bump(
            session,
            phone_number_id=number.id,
            outside_number=text.outside_number,
            contact_id=contact.id if contact else None,
            direction="outbound" if text.outbound else "inbound",
            at=text.at,
            preview=preview_of(text.body, 0),
        )
        if text.outbound:
            await conversations.mark_all_read(session, conversation_id)
        counted = count_segments(text.body)
        message = Message(
            id=new_id(),
            conversation_id=conversation_id,
            phone_number_id=number.id,
            contact_id=contact.id if contact else None,
            direction="outbound" if text.outbound else "inbound",
            status="delivered" if text.outbound else "received",
            from_number=text.our_number if text.outbound else text.outside_number,
            to_number=text.outside_number if text.outbound else text.our_number,
            body=text.body,
            encoding=counted.encoding,
            num_segments=counted.segments,
            source="sync",
            account_sid=number.account_sid,
            created_at=text.at,
            updated_at=text.at,
        )
        session.add(message)
        await session.flush()
        await indexing.index(session, [Said(message.id, text.at, text.body)])
        await recording.note(session, [Event(message.id, "recorded", {"source": "sync"})], at=text.at)

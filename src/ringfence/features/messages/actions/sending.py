"""Handing in a text: ask the gate, then store text, conversation, timeline and outbox row in one transaction.

Nothing here talks to Twilio; the dispatcher does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID

from ringfence.dispatch import outbox
from ringfence.dispatch.ports import Hold, Refuse
from ringfence.errors import InvalidInputError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.consent import queries as consent
from ringfence.features.contacts import queries as contacts
from ringfence.features.conversations import actions as conversations
from ringfence.features.conversations import queries as conversation_queries
from ringfence.features.conversations.model import Conversation
from ringfence.features.conversations.values import THE_COMPANY, Viewer, preview_of
from ringfence.features.events.actions import emit
from ringfence.features.messages.actions import indexing, recording
from ringfence.features.messages.actions.indexing import Said
from ringfence.features.messages.actions.merging import Event
from ringfence.features.messages.model import Media, MediaUpload, Message
from ringfence.features.messages.queries import facts, gate, uploads
from ringfence.features.messages.queries.timing import Timed, timings
from ringfence.features.messages.values import (
    MOST_BODY_UNITS,
    MOST_MEDIA,
    REPLY,
    SCHEDULED,
    TRANSACTIONAL,
    body_units,
    upload_of,
)
from ringfence.features.phone_numbers import actions as phone_numbers
from ringfence.features.phone_numbers.errors import UnknownSenderError
from ringfence.features.phone_numbers.model import PhoneNumber
from ringfence.features.phone_numbers.values import last_four
from ringfence.features.templates import actions as templates
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.kit.segments import count_segments
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

# Two equal texts that are handed in at once must see each other, or each would find itself the first.
_TAKE_TURNS = register(
    "messages.take_turns",
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:company_id AS text) || CAST(:to_number AS text), 0))",
)


# What a person sends themselves makes them look after the conversation; what they planned ahead does not.
_BY_HAND = frozenset({"console", "retry"})

Uploads = Mapping[UUID, MediaUpload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text to hand in. Numbers are E.164; `from_number` None leaves the choice to the server.

    `media_urls` is what it carries as `values.attachments` writes it: addresses, and uploads by their ids.

    For `undo_seconds` the text waits in the outbox, where it can be taken back.
    """

    to_number: str
    body: str = field(repr=False)
    media_urls: tuple[str, ...] = ()
    from_number: str | None = None
    contact_id: UUID | None = None
    allow_duplicate: bool = False
    source: Literal["api", "console", "retry", "scheduled", "auto_reply"]
    undo_seconds: int = 0
    retry_of: UUID | None = None
    template_id: UUID | None = None


def check_content(draft: Draft) -> None:
    """Raise InvalidInputError for what no provider would take: `empty_body`, `body_too_long`, `too_many_media`."""
    if not draft.body.strip() and not draft.media_urls:
        raise InvalidInputError("empty_body", "The text is empty.")
    units = body_units(draft.body)
    if units > MOST_BODY_UNITS:
        raise InvalidInputError(
            "body_too_long", f"The text has {units} characters; {MOST_BODY_UNITS} is the most (an emoji counts as two)."
        )
    if len(draft.media_urls) > MOST_MEDIA:
        raise InvalidInputError("too_many_media", f"A text carries {MOST_MEDIA} attachments at most.")


async def hand_in(session: TenantSession, draft: Draft, *, actor: Actor, viewer: Viewer = THE_COMPANY) -> Message:
    """Store a text as queued, held or refused, as the gate says; a refused one is kept with its reason.

    Raises, and stores nothing: InvalidInputError for malformed content or a contact with another number,
    NotFoundError for an unknown contact, UnknownSenderError (a RefusedError) for a sender that is not the company's,
    NotYoursError for a conversation that the `viewer` may not see; what the server sends by itself sees all.
    """
    check_content(draft)
    uploaded = await uploads.carried(session, draft.media_urls)
    await take_turns(session, draft.to_number)
    contact_id = await _contact_id(session, draft)
    latest = await conversation_queries.find_latest(session, outside_number=draft.to_number)
    choice = await facts.choose_sender(
        session,
        to_number=draft.to_number,
        conversation_number_id=latest.phone_number_id if latest else None,
        requested=draft.from_number,
        media=len(draft.media_urls),
    )
    sender = choice if isinstance(choice, PhoneNumber) else None
    if latest is not None and sender is not None and latest.phone_number_id != sender.id:
        latest = await conversation_queries.find_between(
            session, phone_number_id=sender.id, outside_number=draft.to_number
        )
    if latest is not None:
        await conversation_queries.check_visible(session, viewer, latest.id)
    message = _message(draft, actor, sender=sender, conversation=latest, contact_id=contact_id)
    answer = await _ask(session, message, draft, choice)
    if isinstance(answer, Refuse):
        return await _keep_refused(session, message, draft=draft, uploaded=uploaded, word=answer, actor=actor)
    if sender is None:  # pragma: no cover - the gate refuses a text without sender
        raise UnknownSenderError
    return await _queue(session, message, draft=draft, uploaded=uploaded, sender=sender, hold=answer, actor=actor)


async def _ask(session: TenantSession, message: Message, draft: Draft, choice: PhoneNumber | Refuse) -> gate.Answer:
    """What the gate says to a text that is not stored yet."""
    state = await facts.standing(session)
    timed = Timed(
        id=message.id,
        to_number=message.to_number,
        conversation_id=message.conversation_id,
        source=message.source,
        segments=message.num_segments,
        at=message.created_at,
    )
    timing = await timings(session, [timed], rules=state.rules, home=state.home)
    is_duplicate = not draft.allow_duplicate and await facts.is_duplicate(
        session,
        to_number=draft.to_number,
        body=draft.body,
        media_urls=draft.media_urls,
        apart_from=draft.retry_of,
    )
    return gate.ask(
        gate.Facts(
            connection=state.connection,
            sender_refusal=choice if isinstance(choice, Refuse) else None,
            opted_out=bool(await consent.is_opted_out(session, message.phone_number_id, [draft.to_number])),
            duplicate=is_duplicate,
            timing=timing.get(message.id),
            blocked_country=facts.blocked_country(state.rules, draft.to_number),
        )
    )


async def take_turns(session: TenantSession, to_number: str) -> None:
    """Wait for other texts of the company to the same number that are just being handed in; until the commit."""
    await session.execute(_TAKE_TURNS, {"company_id": session.company_id, "to_number": to_number})


async def _contact_id(session: TenantSession, draft: Draft) -> UUID | None:
    if draft.contact_id is None:
        contact = await contacts.find_by_number(session, draft.to_number)
        return contact.id if contact else None
    contact = await contacts.get_contact(session, draft.contact_id)
    if contact.phone_number not in {None, draft.to_number}:
        reached = await contacts.find_by_number(session, draft.to_number)
        if reached is not None and reached.id == contact.id:
            return contact.id
        raise InvalidInputError("contact_mismatch", "This contact has another number than the text goes to.")
    return contact.id


def _message(
    draft: Draft,
    actor: Actor,
    *,
    sender: PhoneNumber | None,
    conversation: Conversation | None,
    contact_id: UUID | None,
) -> Message:
    count = count_segments(draft.body)
    now = utc_now()
    return Message(
        id=new_id(),
        conversation_id=conversation.id if conversation else None,
        phone_number_id=sender.id if sender else None,
        contact_id=contact_id,
        direction="outbound",
        from_number=sender.phone_number if sender else draft.from_number,
        to_number=draft.to_number,
        body=draft.body,
        encoding=count.encoding,
        num_segments=count.segments,
        num_media=len(draft.media_urls),
        priority=_priority(draft, conversation),
        source=draft.source,
        retry_of=draft.retry_of,
        template_id=draft.template_id,
        created_by=actor.user_id,
        created_at=now,
        updated_at=now,
    )


def _priority(draft: Draft, conversation: Conversation | None) -> int:
    if draft.source == "scheduled":
        return SCHEDULED
    return REPLY if conversation and conversation.last_direction == "inbound" else TRANSACTIONAL


async def _keep_refused(
    session: TenantSession, message: Message, *, draft: Draft, uploaded: Uploads, word: Refuse, actor: Actor
) -> Message:
    message.status, message.refusal_code, message.reason = "refused", word.code, word.reason
    await _store(session, message, draft, uploaded)
    await _note(session, message, actor, {"code": word.code, "reason": word.reason})
    return message


async def _queue(
    session: TenantSession,
    message: Message,
    *,
    draft: Draft,
    uploaded: Uploads,
    sender: PhoneNumber,
    hold: Hold | None,
    actor: Actor,
) -> Message:
    message.status = "held" if hold else "queued"
    detail: dict[str, object] = {"priority": message.priority}
    due_at = message.created_at + timedelta(seconds=draft.undo_seconds)
    if draft.undo_seconds:
        message.not_before, detail["undo_until"] = due_at, due_at.isoformat()
    if hold is not None:
        due_at = max(due_at, hold.until)
        message.not_before, message.refusal_code, message.reason = hold.until, hold.code, hold.reason
        detail |= {"code": hold.code, "reason": hold.reason, "until": hold.until.isoformat()}
    message.conversation_id = await conversations.bump(
        session,
        phone_number_id=sender.id,
        outside_number=message.to_number,
        contact_id=message.contact_id,
        direction="outbound",
        at=message.created_at,
        preview=preview_of(message.body, message.num_media),
        taken_by=actor.user_id if draft.source in _BY_HAND else None,
    )
    record(
        session,
        actor=actor,
        action="message.handed_in",
        target_kind="message",
        target_id=message.id,
        after={
            "to": last_four(message.to_number),
            "from": last_four(sender.phone_number),
            "source": message.source,
        },
    )
    await _store(session, message, draft, uploaded)
    await _note(session, message, actor, detail)
    await phone_numbers.touch_used(session, sender.id, at=message.created_at)
    if message.template_id is not None:
        await templates.note_used(session, message.template_id)
    await outbox.enqueue(
        session,
        message_id=message.id,
        sender_id=sender.id,
        priority=message.priority,
        segments=message.num_segments,
        due_at=due_at,
        segments_per_second=sender.segments_per_second,
    )
    return message


async def _store(session: TenantSession, message: Message, draft: Draft, uploaded: Uploads) -> None:
    session.add(message)
    await session.flush()
    for position, written in enumerate(draft.media_urls):
        upload_id = upload_of(written)
        upload = None if upload_id is None else uploaded[upload_id]
        session.add(
            Media(
                message_id=message.id,
                position=position,
                status="stored" if upload else "remote",
                source_url=written,
                content_type=upload.content_type if upload else None,
                size_bytes=upload.size_bytes if upload else None,
                upload_id=upload_id,
                created_at=message.created_at,
            )
        )
    emit(session, kind="message.created", subject_id=message.id, conversation_id=message.conversation_id)
    await session.flush()
    await indexing.index(session, [Said(message.id, message.created_at, message.body)])


async def _note(session: TenantSession, message: Message, actor: Actor, detail: Mapping[str, object]) -> None:
    who = {"by": actor.name, "by_kind": actor.kind, "source": message.source}
    if message.retry_of is not None:
        who["retry_of"] = str(message.retry_of)
    await recording.note(session, [Event(message.id, message.status, {**who, **detail})], at=message.created_at)

"""`POST /api/sms/send`, and sending a text again."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header

from ringfence.errors import RefusedError
from ringfence.features.audit_log.values import actor_of
from ringfence.features.companies.queries import default_region
from ringfence.features.contacts.values import read_number
from ringfence.features.conversations.routes import Looking
from ringfence.features.conversations.values import Viewer
from ringfence.features.messages.actions import idempotency
from ringfence.features.messages.actions.idempotency import FirstAnswer
from ringfence.features.messages.actions.retrying import retry_message
from ringfence.features.messages.actions.sending import Draft, hand_in
from ringfence.features.messages.model import Message
from ringfence.features.messages.queries.filling import fill_template
from ringfence.features.messages.queries.messages import media_of
from ringfence.features.messages.schemas import MessageAnswer, RetryBody, SendBody
from ringfence.features.messages.values import attachments
from ringfence.tenancy.sessions import TenantSession
from ringfence.web.caller import Caller, Sender, TenantDB
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(prefix="/api/sms", tags=["messages"], responses=PROBLEM_RESPONSES)

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body gets the first answer again, for 24 hours.",
    ),
]


@router.post("/send", status_code=202)
async def send(
    body: SendBody, caller: Sender, session: TenantDB, viewer: Looking, idempotency_key: Key = None
) -> MessageAnswer:
    """Hand in a text; it goes out as soon as its sender's turn comes.

    202 with status `queued`, or `held` until `not_before`. 422 with a stable code when the gate refuses: the text is
    then kept as `refused`, and `message_id` names it. Any other 4xx stores nothing; 403 `not_your_conversation` when
    somebody else looks after the conversation that it would go into and the company's rule hides that.
    """
    request = body.model_dump(mode="json")
    first = None
    if idempotency_key is not None:
        first = await idempotency.begin(session, key=idempotency_key, operation="send", request=request)
    if first is None:
        first = await _send(session, body, caller, viewer)
        if idempotency_key is not None:
            await idempotency.finish(session, key=idempotency_key, answer=first)
    # A refused text is kept although the request fails.
    await session.commit()
    return _told(first)


@router.post("/messages/{message_id}/retry", status_code=202)
async def retry(
    message_id: UUID, caller: Sender, session: TenantDB, viewer: Looking, body: RetryBody | None = None
) -> MessageAnswer:
    """Send a text again that failed, was refused, undelivered or canceled, or was never confirmed.

    It becomes a new text with `retry_of`, through the gate like any other. 409 while the outcome is open.
    """
    wanted = body.from_number if body else None
    from_number = None if wanted is None else read_number(wanted, region=await default_region(session))
    again = await retry_message(session, viewer, message_id, from_number=from_number, actor=actor_of(caller))
    answer = await _answer(session, again)
    await session.commit()
    return _told(answer)


async def _send(session: TenantSession, body: SendBody, caller: Caller, viewer: Viewer) -> FirstAnswer:
    region = await default_region(session)
    actor = actor_of(caller)
    draft = Draft(
        to_number=read_number(body.to, region=region),
        body=body.body,
        media_urls=attachments(body.media_ids, (str(url) for url in body.media_urls)),
        from_number=None if body.from_number is None else read_number(body.from_number, region=region),
        contact_id=body.contact_id,
        allow_duplicate=body.allow_duplicate,
        undo_seconds=body.undo_seconds,
        source="api" if caller.kind == "api_key" else "console",
        template_id=body.template_id,
    )
    if draft.template_id is not None:
        filled = await fill_template(
            session,
            draft.template_id,
            variables=body.variables,
            to_number=draft.to_number,
            contact_id=draft.contact_id,
            from_number=draft.from_number,
            media=len(draft.media_urls),
            actor=actor,
        )
        draft = replace(draft, body=filled.body, from_number=filled.from_number)
    return await _answer(session, await hand_in(session, draft, actor=actor, viewer=viewer))


async def _answer(session: TenantSession, message: Message) -> FirstAnswer:
    """What a handed-in text is answered, as it is kept for the next request with the same key."""
    if message.status == "refused":
        fields = {"message_id": str(message.id)}
        return FirstAnswer(422, {"code": message.refusal_code, "detail": message.reason, "fields": fields})
    media = await media_of(session, [message])
    return FirstAnswer(202, MessageAnswer.made_of(message, media[message.id]).model_dump(mode="json"))


def _told(answer: FirstAnswer) -> MessageAnswer:
    if answer.status_code == 422:
        raise RefusedError(**answer.response)
    return MessageAnswer.model_validate(answer.response)

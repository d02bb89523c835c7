"""STOP and START in texts of the past: what was said last counts, in whatever order the texts are found."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ringfence.features.companies import queries as companies
from ringfence.features.consent import actions as consent
from ringfence.features.consent.actions import TakenBack
from ringfence.features.consent.values import Wish
from ringfence.features.messages.queries import past
from ringfence.tenancy.sessions import TenantSession


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWord:
    """A keyword in a stored text of the past; `at` (aware) is when the contact sent it."""

    message_id: UUID
    wish: Wish
    outside_number: str
    our_number: str
    phone_number_id: UUID
    text: str = field(repr=False)
    at: datetime


async def obey_past(session: TenantSession, word: PastWord) -> bool:
    """Let a keyword of the past have its effect; whether anything changed.

    A STOP that no later START took back blocks from now on. One that was taken back is kept as an opt-out that has
    ended. A START ends what was begun before it. HELP asks for nothing.
    """
    evidence = _evidence(word.message_id, word.text, word.our_number)
    if word.wish == "START":
        ended = await consent.opt_in(
            session,
            outside_number=word.outside_number,
            phone_number_id=word.phone_number_id,
            source="keyword",
            evidence=evidence,
            at=word.at,
        )
        return ended > 0
    if word.wish != "STOP":
        return False
    settings = await companies.settings(session)
    scope = word.phone_number_id if settings is not None and settings.opt_out_scope == "pair" else None
    start = await past.first_start_after(session, outside_number=word.outside_number, phone_number_id=scope, at=word.at)
    return await consent.opt_out_in_the_past(
        session,
        outside_number=word.outside_number,
        phone_number_id=scope,
        evidence=evidence,
        at=word.at,
        taken_back=TakenBack(start.at, _evidence(start.message_id, start.text, start.to_number)) if start else None,
    )


def _evidence(message_id: UUID, text: str, our_number: str) -> dict[str, object]:
    return {"message_id": str(message_id), "text": text.strip()[:40], "to": our_number, "found": "in the past"}

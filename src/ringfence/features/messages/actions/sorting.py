"""Whose a text in an account's log is, and whether it can be one that the send engine still waits for: pure rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Final, Literal
from uuid import UUID

from ringfence.dispatch.recovery import CLOCK_SKEW, TRIAL_NOTICE
from ringfence.features.messages.queries.past import Waiting
from ringfence.features.phone_numbers.values import Holding
from ringfence.kit.storable import storable
from ringfence.providers.twilio.records import MessageInfo

Skipped = Literal["number_not_held", "held_by_another_company", "not_a_text", "outcome_awaited", "unclear_whose"]
"""Why a text of Twilio's log is not taken in (now)."""

_ADDRESS: Final = re.compile(r"[^\x00-\x20\x7f:]{1,64}")
_LONGEST_POST: Final = timedelta(minutes=15)
"""How long after an intent Twilio may still make the text of it; far longer than any deadline of ours."""


@dataclass(frozen=True, slots=True)
class Ours:
    """A text of the log that is the company's."""

    info: MessageInfo
    inbound: bool
    our_number: str = field(repr=False)
    outside_number: str = field(repr=False)
    phone_number_id: UUID

    @property
    def body(self) -> str:
        """The body as it is kept."""
        return storable(self.info.body)


def whose(info: MessageInfo, holdings: Mapping[str, Holding]) -> Ours | Skipped:
    """The company's text, or why it is not taken in: its own end has to be a number that the company held then."""
    inbound = info.direction == "inbound"
    ours, outside = (info.to, info.from_number or "") if inbound else (info.from_number or "", info.to)
    holding = holdings.get(ours)
    if holding is None:
        return "number_not_held"
    if not holding.covers(info.created_at):
        return "held_by_another_company"
    if not _ADDRESS.fullmatch(outside):
        return "not_a_text"
    return Ours(info, inbound, ours, outside, holding.phone_number_id)


def claim(texts: Sequence[Ours], waiting: Sequence[Waiting]) -> dict[str, UUID | Skipped]:
    """For unknown outbound texts: SID → the text of ours that it must be, or why nothing is done about it yet.

    A text that is in neither case is left out: somebody sent it elsewhere. While the engine waits for an outcome, what
    could be it is left to the engine, which asks by itself. One that was given up as unconfirmed is adopted when there
    are exactly as many such texts as messages with this content; otherwise nobody can say which is which.
    """
    told: dict[str, UUID | Skipped] = {}
    pairs: dict[tuple[str, str], list[Waiting]] = {}
    for item in waiting:
        pairs.setdefault((item.from_number, item.to_number), []).append(item)
    left: list[Ours] = []
    for text in texts:
        near = [item for item in pairs.get((text.our_number, text.outside_number), ()) if _in_time(item, text.info)]
        if any(item.open for item in near):
            told[text.info.sid] = "outcome_awaited"
        elif any(_same_content(item, text.info) for item in near):
            left.append(text)
    for key, group in groupby(sorted(left, key=_content), key=_content):
        made = sorted(group, key=lambda text: text.info.created_at)
        candidates = {
            item.id: item
            for item in pairs.get(key[:2], ())
            if any(_in_time(item, text.info) and _same_content(item, text.info) for text in made)
        }
        begun = sorted(candidates.values(), key=lambda item: item.started_at)
        fits = len(begun) == len(made) and all(_in_time(i, t.info) for i, t in zip(begun, made, strict=True))
        for position, text in enumerate(made):
            told[text.info.sid] = begun[position].id if fits else "unclear_whose"
    return told


def _in_time(item: Waiting, info: MessageInfo) -> bool:
    return item.started_at - CLOCK_SKEW <= info.created_at <= item.started_at + _LONGEST_POST


def _same_content(item: Waiting, info: MessageInfo) -> bool:
    body = TRIAL_NOTICE.sub("", info.body)
    return body.strip() == item.body.strip() and (info.num_media or 0) == item.num_media


def _content(text: Ours) -> tuple[str, str, str, int]:
    body = TRIAL_NOTICE.sub("", text.info.body).strip()
    return text.our_number, text.outside_number, body, text.info.num_media or 0

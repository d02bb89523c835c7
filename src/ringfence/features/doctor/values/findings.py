"""What the doctor says: one line for each thing it looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Level = Literal["ok", "notice", "problem"]

LEVELS: Final[tuple[Level, ...]] = ("ok", "notice", "problem")
"""From all is well to somebody has to act."""
_MOST_NUMBERS: Final = 20


@dataclass(frozen=True, slots=True)
class Button:
    """A request of this API that mends it."""

    method: str
    path: str


SET_WEBHOOKS: Final = Button("POST", "/api/twilio-settings/webhooks")
SYNC_NUMBERS: Final = Button("POST", "/api/twilio/sync/phone-numbers")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `check` is a stable word, `text` says what is the case and `fix` what mends it.

    `numbers` are phone numbers it is about, the first of them if there are many.
    """

    check: str
    level: Level
    text: str
    fix: str | None = None
    button: Button | None = None
    numbers: tuple[str, ...] = field(default=(), repr=False)


def ok(check: str, text: str) -> Finding:
    """All is well with this."""
    return Finding(check, "ok", text)


def about(
    check: str, level: Level, numbers: Sequence[str], *, text: str, fix: str, button: Button | None = None
) -> Finding:
    """Something about phone numbers; `text` goes on after how many there are."""
    count = len(numbers)
    many = f"{count} number{'s' if count > 1 else ''}"
    return Finding(check, level, f"{many}: {text}", fix, button, tuple(sorted(numbers)[:_MOST_NUMBERS]))


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among findings."""
    return LEVELS[max((LEVELS.index(finding.level) for finding in findings), default=0)]

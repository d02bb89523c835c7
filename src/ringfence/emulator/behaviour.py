"""How fast and how strictly the emulated network behaves; changed at run time through /emulator/settings."""

import random
from dataclasses import dataclass, field, fields
from typing import cast


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in seconds, drawn evenly between `low` and `high` (equal ends: always the same)."""

    low: float
    high: float

    def draw(self, rng: random.Random) -> float:
        """One duration in seconds."""
        return self.low if self.low == self.high else rng.uniform(self.low, self.high)


@dataclass(slots=True)
class Behaviour:
    """The settings of one emulator. All spans are seconds.

    latency: added to each REST answer. For a create, half passes before the message exists and half after,
        so a caller that dies while it waits may find either.
    sent_delay: from accepted to `sent` (or `failed`). delivered_delay: from `sent` to the final state.
    callback_delay: from a change of state to its status callback.
    price_delay: from the final state until the price is known.
    dial_delay: from a call's creation to `initiated`, and again to `ringing`. answer_delay: from `ringing` to the
        answer of a phone that nobody scripted. talk_time: until one that was dialled into a call hangs up.
    say_time: how long a <Say> or <Play> takes. recording_delay: from its end until a recording can be fetched.
    concurrency_limit: REST requests that one account may have in flight before 429/20429; 0 means no limit.
    """

    latency: Span = field(default=Span(0.0, 0.0))
    sent_delay: Span = field(default=Span(0.05, 0.25))
    delivered_delay: Span = field(default=Span(0.2, 0.8))
    callback_delay: Span = field(default=Span(0.0, 0.05))
    price_delay: Span = field(default=Span(1.0, 3.0))
    dial_delay: Span = field(default=Span(0.05, 0.2))
    answer_delay: Span = field(default=Span(0.5, 2.0))
    talk_time: Span = field(default=Span(3.0, 8.0))
    say_time: Span = field(default=Span(0.3, 1.0))
    recording_delay: Span = field(default=Span(0.3, 1.0))
    concurrency_limit: int = 0

    def as_json(self) -> dict[str, object]:
        """The settings as JSON values; a span is `[low, high]`."""
        values: dict[str, object] = {}
        for item in fields(self):
            value = cast("Span | int", getattr(self, item.name))
            values[item.name] = [value.low, value.high] if isinstance(value, Span) else value
        return values

    def change(self, values: dict[str, object]) -> None:
        """Apply the given settings, all or none. A span is a number or `[low, high]`.

        Raises ValueError, naming the setting, for an unknown name or a value of the wrong shape.
        """
        known = {item.name for item in fields(self)}
        read: dict[str, Span | int] = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown setting: {name}")
            read[name] = _count(name, value) if name == "concurrency_limit" else _span(name, value)
        for name, value in read.items():
            setattr(self, name, value)

    def become(self, other: "Behaviour") -> None:
        """Take over every setting of another one."""
        for item in fields(self):
            setattr(self, item.name, getattr(other, item.name))


def _count(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{name} must be a whole number, 0 or more")


def _span(name: str, value: object) -> Span:
    ends = cast("list[object]", value) if isinstance(value, list) else [value, value]
    numbers = [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(ends) == len(numbers) == 2 and 0 <= numbers[0] <= numbers[1] <= 3600:
        return Span(numbers[0], numbers[1])
    raise ValueError(f"{name} must be seconds, or [low, high] in seconds, between 0 and 3600")

"""Faults that can be switched on for an account, a number or everything: what goes wrong, how often, how long."""

import random
import re
from dataclasses import asdict, dataclass, field
from typing import Literal

Operation = Literal["create", "call", "read", "write", "media", "any"]
OPERATIONS: tuple[Operation, ...] = ("create", "call", "read", "write", "media", "any")
"""`create` makes a message, `call` a call; callback faults of `call` act on each leg's states."""

BEFORE_ACCEPT = frozenset(
    {"401", "404", "429", "500", "502_html", "503", "504", "63038", "slow", "hang", "reset_before_accept"}
)
"""Kinds that act before anything is decided: nothing is created (except after `slow`, which only waits)."""

AFTER_ACCEPT = frozenset(
    {
        "500_after_accept",
        "502_html_after_accept",
        "503_after_accept",
        "accept_then_reset",
        "empty_201",
        "hang_after_accept",
        "slow_after_accept",
        "truncated_201",
    }
)
"""Kinds that act when the message exists already: only the answer goes wrong."""

CALLBACKS = frozenset(
    {
        "callback_bad_signature",
        "callback_contradiction",
        "callback_drop",
        "callback_duplicate",
        "callback_early",
        "callback_foreign_account",
        "callback_late",
        "callback_missing_final",
        "callback_reorder",
    }
)
"""Kinds that act on the status callbacks of a message that was created normally."""

LIST_DELAY = "list_delay"
_CODE = re.compile(r"(2\d|30|35)\d{3}")


def known_kind(kind: str) -> bool:
    """Whether `kind` names a fault: a word above, a refusal code (2xxxx, 35xxx) or a late failure code (30xxx)."""
    return kind in BEFORE_ACCEPT | AFTER_ACCEPT | CALLBACKS | {LIST_DELAY} or bool(_CODE.fullmatch(kind))


def _family(kind: str) -> str:
    if kind in CALLBACKS:
        return "callback"
    if kind == LIST_DELAY:
        return "list"
    if kind.startswith("30") and _CODE.fullmatch(kind):
        return "outcome"
    return "request"


@dataclass(slots=True)
class Fault:
    """One fault. `count` is how many times it may still fire (None: always); `seconds` is its delay, if it has one."""

    id: int
    kind: str
    account_sid: str | None = None
    number: str | None = None
    operation: Operation = "create"
    count: int | None = None
    probability: float = 1.0
    delay_seconds: float | None = None
    retry_after: int | None = None
    fired: int = field(default=0)

    def as_json(self) -> dict[str, object]:
        """The fault as JSON values, with how often it has fired."""
        return asdict(self)


class FaultBook:
    """All faults that are switched on. The newest one that fits wins."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; it gets an id."""
        self._last_id += 1
        fault.id = self._last_id
        self._faults.append(fault)
        return fault

    def all(self) -> list[Fault]:
        """Every fault, oldest first, spent ones included."""
        return list(self._faults)

    def clear(self, fault_id: int | None = None) -> int:
        """Switch one fault off, or all; how many there were."""
        kept = [] if fault_id is None else [fault for fault in self._faults if fault.id != fault_id]
        removed = len(self._faults) - len(kept)
        self._faults = kept
        return removed

    def fire(self, family: str, operation: Operation, account_sid: str, numbers: tuple[str, ...] = ()) -> Fault | None:
        """The fault of a family (`request`, `callback`, `outcome`, `list`) that strikes now; it counts as fired."""
        if not self._faults:
            return None
        for fault in reversed(self._faults):
            if (
                _family(fault.kind) == family
                and fault.operation in {operation, "any"}
                and fault.account_sid in {None, account_sid}
                and (fault.number is None or fault.number in numbers)
                and (fault.count is None or fault.fired < fault.count)
                and self._rng.random() < fault.probability
            ):
                fault.fired += 1
                return fault
        return None

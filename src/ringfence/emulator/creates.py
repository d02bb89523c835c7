"""The ground truth of every loss and duplicate test: what arrived and what was accepted, by the caller's own id.

The id is a parameter in the query of the StatusCallback URL (`message_id` of texts, `call_id` of calls);
`attempt` stands beside it.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass(slots=True)
class Tally:
    """One id: POSTs that arrived, messages or calls made of them, their SIDs, and arrivals by attempt."""

    received: int = 0
    sids: list[str] = field(default_factory=list[str])
    attempts: dict[str, int] = field(default_factory=dict[str, int])

    def as_json(self) -> dict[str, object]:
        """The tally as JSON values."""
        return {
            "received": self.received,
            "accepted": len(self.sids),
            "sids": self.sids,
            "attempts": self.attempts,
        }


class CreateLedger:
    """Counts every create, whatever fault fires afterwards. Exact: nothing here is sampled or bounded."""

    def __init__(self, parameter: str) -> None:
        self._parameter = parameter
        self._tallies: dict[str, Tally] = {}
        self._without_id = Tally()
        self._received = 0
        self._accepted = 0

    def arrived(self, status_callback: str) -> Tally:
        """Count one POST, read whole, before anything else is decided about it."""
        _, _, query = status_callback.partition("#")[0].partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        own_id = parameters.get(self._parameter)
        tally = self._tallies.setdefault(own_id, Tally()) if own_id else self._without_id
        attempt = parameters.get("attempt")
        if attempt is not None:
            tally.attempts[attempt] = tally.attempts.get(attempt, 0) + 1
        tally.received += 1
        self._received += 1
        return tally

    def accepted(self, tally: Tally, sid: str) -> None:
        """Count one message or call that now exists."""
        tally.sids.append(sid)
        self._accepted += 1

    def report(self, *, over: int | None = None, own_id: str | None = None) -> dict[str, object]:
        """Totals and tallies by id; `over` keeps the ids accepted more often than that, `own_id` only one."""
        chosen = {
            key: tally.as_json()
            for key, tally in self._tallies.items()
            if (over is None or len(tally.sids) > over) and own_id in {None, key}
        }
        return {
            "received": self._received,
            "accepted": self._accepted,
            "ids": len(self._tallies),
            "without_id": {"received": self._without_id.received, "accepted": len(self._without_id.sids)},
            "creates": chosen,
        }

    def clear(self) -> None:
        """Start counting from nothing."""
        self._tallies.clear()
        self._without_id = Tally()
        self._received = self._accepted = 0

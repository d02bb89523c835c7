"""Ids of events as clients keep them, and how much streaming one process does. Durations are in seconds."""

from typing import Final
from uuid import UUID

from ringfence.kit.keyring import Keyring

_PURPOSE: Final = "event"

MOST_OF_CALLER: Final = 12
"""Streams of one person or key, of one company, and altogether, in each process."""
MOST_OF_COMPANY: Final = 200
MOST_OF_PROCESS: Final = 500

BATCH: Final = 200
"""Events that a stream holds in memory at most; the next ones are read when these are sent."""

RETRY_SECONDS: Final = 2.0
"""After how long a client that lost its stream is to come again."""
HEARTBEAT_SECONDS: Final = 15.0
"""A stream is never silent for longer, so that both ends and what is between them know that it lives."""
CHECK_SECONDS: Final = 4.0
"""How often a stream asks whether its caller may still have it."""
FRESH_SECONDS: Final = 1.0
"""How long its answer is good enough for telling events."""
SEND_SECONDS: Final = 20.0
"""How long a reader may leave its end full; then it is cut off, and may resume."""


def event_id(keyring: Keyring, company_id: UUID, seq: int) -> str:
    """A place in a company's order, as clients keep it: worth nothing for another company, and not to be made up."""
    return f"{seq}.{keyring.sign(_PURPOSE, str(company_id), str(seq))}"


def read_event_id(keyring: Keyring, company_id: UUID, given: str) -> int | None:
    """The place that `event_id` wrote for this company; None for anything else."""
    seq, _, code = given.partition(".")
    if not (seq.isascii() and seq.isdigit()) or not code.isascii():
        return None
    return int(seq) if len(seq) < 19 and keyring.verify(code, _PURPOSE, str(company_id), seq) else None

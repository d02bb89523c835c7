"""What became of one request to send a text: five outcomes, and what each one proves.

`Accepted` and `Refused` are Twilio's own word. `NotProcessed` and `SenderPaused` prove that nothing was sent.
`Unknown` proves nothing: such a text is never sent again blindly (Twilio has no idempotency key for messages).
"""

from dataclasses import dataclass
from typing import Literal

from ringfence.providers.twilio.codes import TwilioCode, explain


@dataclass(frozen=True, slots=True)
class Accepted:
    """201 with a message SID. `num_segments` is 0 or None while Twilio has not counted yet.

    `concurrent_requests` is Twilio's count of the account's requests under way, `request_id` its name for this
    one; both None when not told.
    """

    sid: str
    status: str
    num_segments: int | None
    concurrent_requests: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A 4xx with one of Twilio's codes: nothing was sent and the same request would be refused again."""

    code: int
    http_status: int
    request_id: str | None = None

    @property
    def explanation(self) -> TwilioCode:
        """What the code means, whether and when to try again, and how much has to stop."""
        return explain(self.code)


@dataclass(frozen=True, slots=True)
class NotProcessed:
    """Nothing reached a sender; the same text may go out again.

    `concurrency`: 429 with code 20429, the account had too many requests under way. `not_sent`: no connection
    was ready before the failure or the deadline, so not one byte was written. `retry_after` is in seconds.
    """

    reason: Literal["concurrency", "not_sent"]
    retry_after: float | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class SenderPaused:
    """Any other 429: not processed, and the sender has to rest for longer than a backoff.

    `code` is None when the 429 carried none (a proxy's answer); `retry_after` is in seconds.
    """

    code: int | None
    retry_after: float | None = None

    @property
    def explanation(self) -> TwilioCode:
        """What the code means."""
        return explain(self.code)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may or may not have been accepted.

    `timeout`: no whole answer before the deadline. `reset`: the connection failed after it was ready for the
    request. `server_error`: a 5xx. `bad_body`: an answer that proves nothing (201 without SID, a 4xx without
    code, another account's message). `bad_status`: a status that this request cannot have, such as a redirect.
    """

    reason: Literal["timeout", "reset", "server_error", "bad_body", "bad_status"]
    http_status: int | None = None
    request_id: str | None = None


Outcome = Accepted | Refused | NotProcessed | SenderPaused | Unknown

"""From what a POST brought to what is recorded: the table of design and Twilio's rules in one place."""

from datetime import timedelta

from ringfence.dispatch.company import Claimed, Results
from ringfence.dispatch.pacing import backoff_seconds
from ringfence.dispatch.ports import Noted, Settled
from ringfence.kit.clock import utc_now
from ringfence.providers.twilio.outcome import Accepted, NotProcessed, Outcome, Refused, SenderPaused, Unknown

# A daily or queue limit does not pass in seconds; Twilio may name a time, else the sender rests an hour.
PAUSE_SECONDS = 3600.0
# A 429 without one of Twilio's codes comes from something in between, whose limits are shorter.
SHORT_PAUSE_SECONDS = 60.0


def note_outcome(results: Results, claimed: Claimed, outcome: Outcome) -> str:
    """Add one outcome to a company's results; returns its class in one word.

    accepted, refused: settled. Proved unsent (429 with 20429, or no byte written): back to the queue with backoff.
    Any other 429: back to the queue, and the sender pauses. Everything else: unknown, never sent again blindly.
    """
    message_id, attempt = claimed.text.message_id, claimed.attempt
    account_sid = claimed.credentials.account_sid
    match outcome:
        case Accepted(sid=sid, status=status):
            results.settled.append(
                Settled(message_id, attempt, account_sid, sid, status, None, refused=False, via="response")
            )
            return "accepted"
        case Refused(code=code):
            results.settled.append(
                Settled(message_id, attempt, account_sid, None, None, code, refused=True, via="response")
            )
            return "refused"
        case NotProcessed(reason=reason, retry_after=retry_after):
            wait = backoff_seconds(attempt, least=retry_after)
            results.requeued.append((message_id, attempt, utc_now() + timedelta(seconds=wait)))
            results.notes.append(Noted(message_id, attempt, "requeued", {"reason": reason, "wait_seconds": wait}))
            return "requeued"
        case SenderPaused(code=code, retry_after=retry_after):
            usual = SHORT_PAUSE_SECONDS if code is None else PAUSE_SECONDS
            until = utc_now() + timedelta(seconds=retry_after or usual)
            results.requeued.append((message_id, attempt, until))
            results.paused[claimed.sender_id] = until
            results.notes.append(Noted(message_id, attempt, "paused", {"code": code, "until": until.isoformat()}))
            return "paused"
        case Unknown(reason=reason):
            results.unknown.append((message_id, attempt))
            results.notes.append(Noted(message_id, attempt, "unknown", {"reason": reason}))
            return "unknown"

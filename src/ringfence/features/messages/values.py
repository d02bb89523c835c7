"""Words of a text's life, and which status may follow which."""

DIRECTIONS = ("inbound", "outbound")
ENCODINGS = ("GSM-7", "UCS-2")
SOURCES = ("api", "console", "retry", "webhook", "sync")
MEDIA_STATUSES = ("pending", "stored", "failed", "remote")

# A status only moves to a higher rank; equal ranks are final against each other, so the first one stands.
# `unconfirmed` is below `sending`: a late callback or a look-up may still adopt the text.
RANKS = {
    "held": 5,
    "queued": 10,
    "unconfirmed": 15,
    "sending": 20,
    "sent": 30,
    "delivered": 40,
    "undelivered": 40,
    "failed": 40,
    "refused": 40,
    "canceled": 40,
    "received": 40,
    "read": 50,
}
STATUSES = tuple(RANKS)
FINAL = frozenset(status for status, rank in RANKS.items() if rank >= 40)

# Twilio's words → ours (Twilio docs: message status values). `accepted`, `queued` and `scheduled` there all
# mean that Twilio has it.
FROM_TWILIO = {
    "accepted": "sending",
    "scheduled": "sending",
    "queued": "sending",
    "sending": "sending",
    "sent": "sent",
    "delivered": "delivered",
    "partially_delivered": "sent",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "canceled",
    "read": "read",
    "receiving": "received",
    "received": "received",
}


def moves_forward(current: str, new: str) -> bool:
    """Whether a text of status `current` may become `new`."""
    return RANKS[new] > RANKS[current]

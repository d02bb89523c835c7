"""What follows an inbound text, whichever door it came through: the webhook, or a sweep that found it late."""

from ringfence.features.messages.actions.receiving import AfterReceiving
from ringfence.features.notices.actions import after_receiving
from ringfence.features.scheduling.actions.replies import cancel_answered

AFTER_RECEIVING = AfterReceiving((cancel_answered, after_receiving))

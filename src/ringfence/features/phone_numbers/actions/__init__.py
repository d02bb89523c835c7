"""Changing phone numbers: taking in what Twilio lists, connecting and disconnecting, and what people set."""

from ringfence.features.phone_numbers.actions.connection import connect, disconnect, replace
from ringfence.features.phone_numbers.actions.numbers import change, discover, touch_used
from ringfence.features.phone_numbers.actions.sync import list_numbers, store_sync
from ringfence.features.phone_numbers.actions.webhooks import point_here, store_webhooks

__all__ = [
    "change",
    "connect",
    "disconnect",
    "discover",
    "list_numbers",
    "point_here",
    "replace",
    "store_sync",
    "store_webhooks",
    "touch_used",
]

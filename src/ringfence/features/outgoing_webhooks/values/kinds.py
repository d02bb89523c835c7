"""What a company can be told about, and in which states an endpoint and a delivery can be."""

from typing import Final, Literal, get_args

EventKind = Literal["message.received", "message.status_changed", "opt_out.changed", "call.ended"]
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)

PING: Final = "ping"
"""Sent by hand to try an endpoint; nobody subscribes to it."""

EndpointStatus = Literal["active", "disabled"]
ENDPOINT_STATUSES: Final[tuple[EndpointStatus, ...]] = get_args(EndpointStatus)

DisabledReason = Literal["by_person", "gone", "failing"]
DISABLED_REASONS: Final[tuple[DisabledReason, ...]] = get_args(DisabledReason)

DeliveryState = Literal["pending", "delivered", "failed", "skipped"]
"""`failed` was tried until the last time; `skipped` was not tried to the end, because its endpoint was off or what it
tells of is gone. Both can be replayed."""
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)

MOST_ENDPOINTS: Final = 20

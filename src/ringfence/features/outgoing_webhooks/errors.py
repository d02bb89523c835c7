"""Failures of the outgoing webhooks room. Codes are stable: `bad_webhook_url`, `webhook_limit`, `webhook_disabled`."""

from ringfence.errors import ConflictError, InvalidInputError
from ringfence.features.outgoing_webhooks.values.kinds import MOST_ENDPOINTS


class BadURLError(InvalidInputError):
    """Requests may not go to this address."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad_webhook_url", detail)


class TooManyEndpointsError(ConflictError):
    """The company has as many endpoints as it may have."""

    def __init__(self) -> None:
        super().__init__("webhook_limit", f"A company has at most {MOST_ENDPOINTS} endpoints; delete one first.")


class EndpointDisabledError(ConflictError):
    """Nothing is delivered to an endpoint that is off."""

    def __init__(self) -> None:
        super().__init__("webhook_disabled", 'This endpoint is off; set its status to "active" first.')

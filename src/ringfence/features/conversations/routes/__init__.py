"""`/api/sms/conversations`, and who looks at it: `Looking` is what every route that shows conversations takes."""

from ringfence.features.conversations.routes.conversations import router
from ringfence.features.conversations.routes.viewing import Looking

__all__ = ["Looking", "router"]

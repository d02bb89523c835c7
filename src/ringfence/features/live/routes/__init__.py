"""`GET /api/events`."""

from ringfence.features.live.routes.events import router

__all__ = ["router"]

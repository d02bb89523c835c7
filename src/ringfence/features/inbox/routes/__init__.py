"""What stands above texts and calls in the inbox: notes, the timeline of a conversation, search."""

from fastapi import APIRouter

from ringfence.features.inbox.routes import conversations, search

router = APIRouter()
router.include_router(conversations.router)
router.include_router(search.router)

"""`/api/calls`, `/api/call-settings`, and the calls of a conversation."""

from fastapi import APIRouter

from ringfence.features.calls.routes import calls, placing, recordings, settings

router = APIRouter()
router.include_router(placing.router)
router.include_router(calls.router)
router.include_router(calls.threads)
router.include_router(recordings.router)
router.include_router(settings.router)

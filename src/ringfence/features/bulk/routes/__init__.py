"""Routes of the bulk room."""

from fastapi import APIRouter

from ringfence.features.bulk.routes import results, sends

router = APIRouter()
router.include_router(results.router)
router.include_router(sends.router)

"""Routes of the bulk room."""

from fastapi import APIRouter

from ringfence.features.bulk.routes import lists, results, sends

router = APIRouter()
# Lists first: their address would otherwise be taken for a send's id.
router.include_router(lists.router)
router.include_router(results.router)
router.include_router(sends.router)

"""Doors of the phone numbers room: numbers, the connection they come from."""

from fastapi import APIRouter

from ringfence.features.phone_numbers.routes import connection, market, numbers

router = APIRouter()
router.include_router(connection.router)
router.include_router(market.router)
router.include_router(numbers.router)

__all__ = ["router"]

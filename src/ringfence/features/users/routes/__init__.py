"""`/api/auth`, `/api/users`, `/api/api-keys`, `/api/invitations`, and the authenticator behind every route."""

from fastapi import APIRouter

from ringfence.features.users.routes import api_keys, auth, invitations, own, people, resets
from ringfence.features.users.routes.authenticator import make_authenticator
from ringfence.web.problems import PROBLEM_RESPONSES

router = APIRouter(responses=PROBLEM_RESPONSES)
router.include_router(auth.router)
router.include_router(own.router)
router.include_router(resets.router)
router.include_router(invitations.acceptance)
router.include_router(people.router)
router.include_router(resets.people)
router.include_router(api_keys.router)
router.include_router(invitations.router)

__all__ = ["make_authenticator", "router"]

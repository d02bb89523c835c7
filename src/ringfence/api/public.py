"""The routes that need no caller, each with its reason. Every other route must name the level it needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from ringfence.web import caller

PUBLIC: Mapping[tuple[str, str], str] = {
    ("GET", "/"): "says what runs here",
    ("GET", "/landing.css"): "style of that page",
    ("GET", "/invite"): "page that an invitation's link opens; the token is in the fragment",
    ("GET", "/invite/invite.css"): "style of that page",
    ("GET", "/invite/invite.js"): "script of that page",
    ("GET", "/reset"): "page that a password reset's link opens; the token is in the fragment",
    ("GET", "/reset/reset.js"): "script of that page",
    ("GET", "/openapi.json"): "describes the API; the same for everybody",
    ("GET", "/healthz"): "whether the process lives; no data",
    ("GET", "/readyz"): "whether the server can work; no company's data",
    ("GET", "/metrics"): "counts over all companies; no names or numbers",
    ("POST", "/webhooks/twilio/{webhook_path}/inbound"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/status"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/voice"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/voice/connect"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/voice/after-dial"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/voicemail"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/recording"): "signed with the connection's own token",
    ("POST", "/webhooks/twilio/{webhook_path}/call-status"): "signed with the connection's own token",
    ("GET", "/media/{company_id}/{media_id}"): "the address is signed by this server and ends after a day",
    ("POST", "/api/auth/login"): "where a caller comes from",
    ("POST", "/api/auth/password-reset"): "the caller forgot the credential; the answer tells nothing",
    ("POST", "/api/auth/password-reset/confirm"): "the single-use token of the mailed link is the credential",
    ("POST", "/api/auth/invitations/accept"): "the single-use token of the invitation is the credential",
}

_CALLERS = {caller.any_caller}


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, Any]]:
    """Method, whole path template and the route itself, for every route of the application; HEAD goes with GET."""
    for route in iter_route_contexts(app.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, str(route.path), route


def needs_caller(route: Any) -> bool:
    """Whether a route is only reached by somebody known: one of its dependencies asks who is calling."""
    dependant: Dependant | None = getattr(route, "dependant", None)
    return dependant is not None and any(call in _CALLERS for call in _calls(dependant))


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)

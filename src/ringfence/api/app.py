"""Builds the ASGI application: a list of routers, the services they use, and what every answer has in common."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

import ringfence
from ringfence.api import health, site
from ringfence.api.public import needs_caller, routes_of
from ringfence.features.analytics import routes as analytics
from ringfence.features.audit_log import routes as audit_log
from ringfence.features.bulk import routes as bulk
from ringfence.features.bulk.values.files import MOST_BYTES as MOST_LIST_BYTES
from ringfence.features.calls import routes as calls
from ringfence.features.calls import webhooks as call_webhooks
from ringfence.features.companies import routes as companies
from ringfence.features.consent import routes as consent
from ringfence.features.contacts import routes as contacts
from ringfence.features.contacts.values.files import MOST_BYTES
from ringfence.features.conversations import routes as conversations
from ringfence.features.doctor import routes as doctor
from ringfence.features.inbox import routes as inbox
from ringfence.features.live import routes as live
from ringfence.features.live.actions.hub import Hub
from ringfence.features.messages import routes as messages
from ringfence.features.messages import webhooks as message_webhooks
from ringfence.features.messages.actions.callback_intake import CallbackIntake
from ringfence.features.messages.values import MOST_MEDIA_BYTES
from ringfence.features.notices import routes as notices
from ringfence.features.outgoing_webhooks import routes as outgoing_webhooks
from ringfence.features.phone_numbers import routes as phone_numbers
from ringfence.features.platform import routes as platform
from ringfence.features.scheduling import routes as scheduling
from ringfence.features.sync import routes as sync
from ringfence.features.templates import routes as templates
from ringfence.features.twilio_settings import routes as twilio_settings
from ringfence.features.users import routes as users
from ringfence.features.users.routes.authenticator import CSRF_HEADER, SESSION_COOKIE, make_authenticator
from ringfence.features.users.values import AccountPolicy
from ringfence.kit.keyring import Keyring
from ringfence.runtime.receiving import AFTER_RECEIVING
from ringfence.tenancy.sessions import Tenancy
from ringfence.web import problems, services
from ringfence.web.headers import SecurityHeaders
from ringfence.web.middleware import Limits, RequestContext
from ringfence.web.observe import Observe

Service = TypeVar("Service")

ROUTERS: tuple[APIRouter, ...] = (
    users.router,
    companies.router,
    twilio_settings.router,
    doctor.router,
    phone_numbers.router,
    sync.router,
    contacts.router,
    consent.router,
    templates.router,
    conversations.router,
    messages.router,
    message_webhooks.router,
    calls.router,
    call_webhooks.router,
    scheduling.router,
    bulk.router,
    inbox.router,
    live.router,
    outgoing_webhooks.router,
    notices.router,
    analytics.router,
    audit_log.router,
    platform.router,
    health.router,
    site.router,
)

# Address → the largest body it takes, in bytes: the file and what multipart/form-data puts around it.
UPLOADS = {
    "/api/contacts/import": MOST_BYTES + (1 << 16),
    "/api/media": MOST_MEDIA_BYTES + (1 << 16),
    "/api/sms/bulk/lists": MOST_LIST_BYTES + (1 << 16),
}


class Application(FastAPI):
    """FastAPI with our middleware around all of it, its handler of unexpected errors included.

    So that the answer to a fault of ours has its request id and headers too, and its log line has the id.
    """

    https = False

    def build_middleware_stack(self) -> ASGIApp:
        """The whole application, innermost first: FastAPI, limits, headers, counting, request id."""
        inner = super().build_middleware_stack()
        paths: dict[Any, str] = {route.endpoint: path for _, path, route in routes_of(self)}
        return RequestContext(Observe(SecurityHeaders(Limits(inner, uploads=UPLOADS), https=self.https), paths))

    def openapi(self) -> dict[str, Any]:
        """The description of the API, with the ways to prove who is calling."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schema["components"]["securitySchemes"] = SECURITY_SCHEMES
            for method, path, route in routes_of(self):
                operation = schema["paths"].get(path, {}).get(method.lower())
                if operation is not None and needs_caller(route):
                    operation["security"] = [{"api_key": []}, {"session": [], "csrf": []}]
            self.openapi_schema = schema
        return self.openapi_schema


SECURITY_SCHEMES = {
    "api_key": {"type": "http", "scheme": "bearer", "description": "An API key, `rf_…`."},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "Set by log-in."},
    "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER, "description": "With a session, unless reading."},
}


def create_app(*given: object) -> FastAPI:
    """The application, over the services that the rooms' routes ask for by type (see `ringfence.runtime.build`).

    Needs at least Tenancy, Keyring and AccountPolicy. `Release` and `Landing` have stand-ins, for tests that are
    not about them; `CallbackIntake` and `Hub` are made unless they are given. No documentation page is served: the
    usual ones load their scripts from elsewhere.
    """
    found = {
        type(item): item
        for item in (health.Release(ringfence.__version__, ""), site.Landing(), AFTER_RECEIVING, *given)
    }
    tenancy, keyring, policy = _need(found, Tenancy), _need(found, Keyring), _need(found, AccountPolicy)
    found.setdefault(CallbackIntake, CallbackIntake(tenancy, keyring))
    found.setdefault(Hub, Hub(tenancy))
    app = Application(
        title="Ringfence",
        version=ringfence.__version__,
        summary="A Twilio workspace for many companies on one server.",
        docs_url=None,
        redoc_url=None,
        # A redirect would be built from the Host header, and behind a proxy lead a caller's key from https to http.
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.https = policy.cookie_secure
    services.install(app, *found.values())
    app.state.authenticate = make_authenticator(tenancy, keyring)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _need(found: Mapping[type, object], kind: type[Service]) -> Service:
    item = found.get(kind)
    if not isinstance(item, kind):
        raise TypeError(f"the application needs a {kind.__name__}")
    return item

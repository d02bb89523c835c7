"""What the API door hands to routes: one object per type, found by its type."""

from typing import Any, TypeVar

from fastapi import FastAPI, Request

Service = TypeVar("Service")


def install(app: FastAPI, *services: object) -> None:
    """Put services into the application, each under its own class."""
    known: dict[type[Any], object] = {type(item): item for item in services}
    app.state.services = known


def service(request: Request, kind: type[Service]) -> Service:
    """The application's service of a type, such as `service(request, Keyring)`."""
    known: dict[type[Any], Service] = request.app.state.services
    return known[kind]

"""The few pages for people: what runs here, and where mailed links lead. Files of this package only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter, Request
from starlette.responses import Response

from ringfence.web.services import service

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent / "pages"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


@dataclass(frozen=True, slots=True)
class Link:
    """A place that the first page points to."""

    title: str
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Landing:
    """What the first page says besides the API: the demo points to its phones and mailbox."""

    links: Sequence[Link] = ()


API_LINKS = (
    Link("API description", "/openapi.json", "OpenAPI 3.1: every path, body and error."),
    Link("Readiness", "/readyz", "Database, migrations and dispatcher, each by name."),
    Link("Metrics", "/metrics", "Counters in Prometheus' text format."),
)


@router.get("/")
async def landing(request: Request) -> Response:
    """What runs here and where to go."""
    items = "\n".join(
        f'<li><a href="{escape(link.url)}">{escape(link.title)}</a><span>{escape(link.text)}</span></li>'
        for link in (*service(request, Landing).links, *API_LINKS)
    )
    return _answer("landing.html", Template(_content("landing.html").decode()).substitute(links=items).encode())


@router.get("/landing.css")
async def landing_style() -> Response:
    """Style of the first page."""
    return _answer("landing.css", _content("landing.css"))


@router.get("/invite")
async def invite() -> Response:
    """The page that an invitation's link opens."""
    return _answer("invite.html", _content("invite.html"))


@router.get("/invite/invite.css")
async def invite_style() -> Response:
    """Style of that page."""
    return _answer("invite.css", _content("invite.css"))


@router.get("/invite/invite.js")
async def invite_script() -> Response:
    """Script of that page."""
    return _answer("invite.js", _content("invite.js"))


@router.get("/reset")
async def reset() -> Response:
    """The page that the link of a password reset opens."""
    return _answer("reset.html", _content("reset.html"))


@router.get("/reset/reset.js")
async def reset_script() -> Response:
    """Script of that page; its style is the invitation's."""
    return _answer("reset.js", _content("reset.js"))


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def _answer(name: str, content: bytes) -> Response:
    return Response(content, media_type=_TYPES[Path(name).suffix], headers={"Cache-Control": "no-cache"})

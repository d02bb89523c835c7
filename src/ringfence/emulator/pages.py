"""Static pages of the emulator: files of this package, nothing from anywhere else."""

from functools import cache
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def static_route(path: str, name: str) -> web.RouteDef:
    """A GET route that answers with one file of the package."""

    async def serve(_: web.Request) -> web.StreamResponse:
        kind = _TYPES[Path(name).suffix]
        return web.Response(body=_content(name), content_type=kind, charset="utf-8", headers=_HEADERS)

    return web.get(path, serve)

"""HTTP answers of the REST API, sound ones and broken ones."""

import json
import socket
import struct
from typing import cast

from aiohttp import web

from ringfence.emulator.errors import TwilioError

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def answer(value: dict[str, object], status: int = 200) -> web.Response:
    """A JSON body."""
    return web.Response(body=json.dumps(value).encode(), status=status, content_type="application/json")


def no_content() -> web.Response:
    """204, as after a delete."""
    return web.Response(status=204)


def refusal(error: TwilioError) -> web.Response:
    """The error body of a refused request."""
    return web.Response(body=error.body(), status=error.status, content_type="application/json", headers=error.headers)


def bad_gateway() -> web.Response:
    """What a proxy in between answers: HTML, no code."""
    return web.Response(body=_BAD_GATEWAY, status=502, content_type="text/html")


def reset(request: web.Request) -> web.Response:
    """Cut the connection with a TCP reset. The response returned is never written."""
    transport = request.transport
    if transport is not None:
        connection = cast("socket.socket | None", transport.get_extra_info("socket"))
        if connection is not None:
            # Without linger the kernel sends RST at once: the caller sees a reset and not an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)

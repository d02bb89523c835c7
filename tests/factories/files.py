"""Files to send, and what uploads them."""

from typing import Any

import httpx

from tests.factories.people import Scope
from tests.factories.texts import Line, Texting

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 4
PDF = b"%PDF-1.7\n" + b"x" * 300
MEDIA = "/api/media"


async def post_file(
    texting: Texting, line: Line, content: bytes = JPEG, *, name: str = "van.jpg", scope: Scope = "send", **more: Any
) -> httpx.Response:
    return await texting.call("POST", MEDIA, line, scope=scope, files={"file": (name, content, "text/html")}, **more)


async def uploaded(texting: Texting, line: Line, content: bytes = JPEG, **more: Any) -> str:
    """The id of a file that was taken in."""
    answer = await post_file(texting, line, content, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]

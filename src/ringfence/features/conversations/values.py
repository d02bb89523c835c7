"""Words of conversations."""

from typing import Final, Literal

Direction = Literal["inbound", "outbound"]

_PREVIEW_LENGTH: Final = 140


def preview_of(body: str, num_media: int) -> str:
    """One line that stands for a text in the list of conversations."""
    line = " ".join(body.split())
    if not line and num_media:
        return "1 attachment" if num_media == 1 else f"{num_media} attachments"
    return line if len(line) <= _PREVIEW_LENGTH else line[: _PREVIEW_LENGTH - 1] + "…"

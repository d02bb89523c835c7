"""Words of conversations."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

Direction = Literal["inbound", "outbound"]

_PREVIEW_LENGTH: Final = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at conversations. One that does not see all sees those of `user_id` and those of nobody.

    An API key acts for no person, so `user_id` is None; a key that does not manage sees those of nobody only.
    """

    user_id: UUID | None
    sees_all: bool


THE_COMPANY: Final = Viewer(user_id=None, sees_all=True)
"""What the server does for the company itself: webhooks, jobs, scheduled and automatic texts."""


def preview_of(body: str, num_media: int) -> str:
    """One line that stands for a text in the list of conversations."""
    line = " ".join(body.split())
    if not line and num_media:
        return "1 attachment" if num_media == 1 else f"{num_media} attachments"
    return line if len(line) <= _PREVIEW_LENGTH else line[: _PREVIEW_LENGTH - 1] + "…"

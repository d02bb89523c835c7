"""Walking an account's log of texts, calls and recordings at Twilio, page by page and resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from twilio.rest import Client

from ringfence.providers.twilio.connection import checked_sid, unusable_is_unreachable
from ringfence.providers.twilio.errors import TwilioUnreachableError
from ringfence.providers.twilio.records import (
    CallInfo,
    MediaInfo,
    MessageInfo,
    RecordingInfo,
    call_info,
    media_info,
    message_info,
    recording_info,
)

Item = TypeVar("Item", MessageInfo, CallInfo, RecordingInfo)

_MOST_MEDIA: Final = 20


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Item]):
    """One page as Twilio lists it (the newest first, as far as it says). `following` leads to the next one.

    `following` is None at the end; it holds the account's SID and nothing secret. `unreadable` counts entries that
    could not be read: one bad entry does not hide the others.
    """

    items: Sequence[Item] = field(repr=False)
    following: str | None
    unreadable: int


class Lists:
    """The lists of one account; every method raises TwilioError, and ValueError for a SID that is none.

    `since` (aware) leaves out what Twilio sent or began before it. `following` continues a walk that was begun with
    some `since`; Twilio may refuse one that is very old.
    """

    def __init__(self, client: Client, account_sid: str, base_url: str) -> None:
        self._client = client
        self._account_sid = account_sid
        self._base_url = base_url

    async def messages(
        self, *, since: datetime | None = None, following: str | None = None, page_size: int
    ) -> ListPage[MessageInfo]:
        """Texts in and out. One that was never sent has no time of sending, and `since` may leave it out."""
        with unusable_is_unreachable():
            if following is None:
                page = await self._client.messages.page_async(page_size=page_size, **_after("date_sent_after", since))
            else:
                page = await self._client.messages.get_page_async(self._address(following))
        return self._page(page, message_info)

    async def calls(
        self, *, since: datetime | None = None, following: str | None = None, page_size: int
    ) -> ListPage[CallInfo]:
        """Legs of calls. One that was never begun has no start, and `since` may leave it out."""
        with unusable_is_unreachable():
            if following is None:
                page = await self._client.calls.page_async(page_size=page_size, **_after("start_time_after", since))
            else:
                page = await self._client.calls.get_page_async(self._address(following))
        return self._page(page, call_info)

    async def recordings(
        self, *, since: datetime | None = None, following: str | None = None, page_size: int
    ) -> ListPage[RecordingInfo]:
        """Recordings of calls."""
        with unusable_is_unreachable():
            if following is None:
                after = _after("date_created_after", since)
                page = await self._client.recordings.page_async(page_size=page_size, **after)
            else:
                page = await self._client.recordings.get_page_async(self._address(following))
        return self._page(page, recording_info)

    async def media_of(self, message_sid: str) -> list[MediaInfo]:
        """The attachments of a text, in order."""
        media = self._client.messages(checked_sid(message_sid, "SM", "MM")).media
        with unusable_is_unreachable():
            page = await media.page_async(page_size=_MOST_MEDIA)
            found = [media_info(instance, self._base_url) for instance in page]
        # Twilio lists the newest first; they were made in the order in which they are shown.
        return found[::-1]

    def _page(self, page: Any, read: Callable[[Any], Item]) -> ListPage[Item]:
        items: list[Item] = []
        unreadable = 0
        with unusable_is_unreachable():
            following = page.next_page_url
            for instance in page:
                try:
                    with unusable_is_unreachable():
                        items.append(read(instance))
                except TwilioUnreachableError:
                    unreadable += 1
        if any(item.account_sid != self._account_sid for item in items):
            raise TwilioUnreachableError("bad_answer")
        return ListPage(items, None if following is None else self._relative(following), unreadable)

    def _relative(self, address: str) -> str:
        """Where a page is, without the host; it must be one of this account's lists."""
        parts = urlsplit(address)
        return self._own(f"{parts.path}?{parts.query}")

    def _own(self, path: str) -> str:
        if not path.startswith(f"/2010-04-01/Accounts/{self._account_sid}/"):
            raise TwilioUnreachableError("bad_answer")
        return path

    def _address(self, following: str) -> str:
        return self._base_url + self._own(following)


def _after(name: str, since: datetime | None) -> dict[str, datetime]:
    # The SDK writes a time with Z and does not convert it.
    return {} if since is None else {name: since.astimezone(UTC)}

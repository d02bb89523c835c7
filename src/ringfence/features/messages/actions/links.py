"""Addresses under which Twilio fetches uploads: bound to company, file and time; only this server can make them."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from ringfence.dispatch.ports import Text
from ringfence.features.messages.values import LINK_LIFE, upload_of
from ringfence.kit.clock import utc_now
from ringfence.kit.keyring import Keyring

_PURPOSE: Final = "media"


def with_links(text: Text, keyring: Keyring, public_url: str, company_id: UUID) -> Text:
    """A text as Twilio is told it: its uploads have become addresses that end after a day."""
    uploads = [upload_of(item) for item in text.media_urls]
    if not any(uploads):
        return text
    expires = int((utc_now() + LINK_LIFE).timestamp())
    return replace(
        text,
        media_urls=tuple(
            written if upload_id is None else link(keyring, public_url, company_id, upload_id, expires)
            for written, upload_id in zip(text.media_urls, uploads, strict=True)
        ),
    )


def link(keyring: Keyring, public_url: str, company_id: UUID, upload_id: UUID, expires: int) -> str:
    """The address of an upload until an instant, in seconds since 1970."""
    code = keyring.sign(_PURPOSE, str(company_id), str(upload_id), str(expires))
    return f"{public_url}/media/{company_id}/{upload_id}?{urlencode({'expires': expires, 'code': code})}"


def is_genuine(keyring: Keyring, company_id: UUID, upload_id: UUID, *, expires: int, code: str) -> bool:
    """Whether this server made the link, and its time is not over."""
    made_here = keyring.verify(code, _PURPOSE, str(company_id), str(upload_id), str(expires))
    return made_here and expires > utc_now().timestamp()

"""Where Twilio is: its own servers, or the emulator that stands in for them."""

from typing import Final

from yarl import URL

TWILIO_API_URL: Final = "https://api.twilio.com"


def checked_base_url(base_url: str) -> str:
    """The base URL without a trailing slash. Raises ValueError unless it is http(s) with a host and nothing odd."""
    try:
        url = URL(base_url)
    except ValueError:
        raise ValueError("TWILIO_API_URL is not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("TWILIO_API_URL must start with http:// or https:// and name a host")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ValueError("TWILIO_API_URL must hold no user, password, query or fragment")
    return base_url.rstrip("/")


def at_base_url(url: str, base_url: str) -> str:
    """The same path and query at `base_url`, for a URL of api.twilio.com; any other URL as it is."""
    path = url.removeprefix(TWILIO_API_URL)
    return base_url + path if path != url and path[:1] in {"", "/", "?"} else url

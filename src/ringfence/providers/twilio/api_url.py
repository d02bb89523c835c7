"""Where Twilio is: its own servers, or the emulator that stands in for them."""

from typing import Final

from yarl import URL

TWILIO_API_URL: Final = "https://api.twilio.com"
_PRODUCTS: Final = ("api", "messaging", "pricing")


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
    """The same path and query at `base_url`, for a URL of one of Twilio's products we use; any other URL as it is."""
    for product in _PRODUCTS:
        path = url.removeprefix(f"https://{product}.twilio.com")
        if path != url and path[:1] in {"", "/", "?"}:
            return _product_url(product, base_url) + path
    return url


def is_twilio(url: str, base_url: str) -> bool:
    """Whether an address lies at the Twilio of `base_url`, so that credentials may go there."""
    return any(url.startswith(_product_url(product, base_url) + "/") for product in _PRODUCTS)


def _product_url(product: str, base_url: str) -> str:
    """Twilio keeps each product on a host of its own, regions too; a stand-in has all of them under one."""
    scheme, _, rest = base_url.partition("://")
    if rest.startswith("api.") and rest.endswith(".twilio.com"):
        return f"{scheme}://{product}.{rest.removeprefix('api.')}"
    return base_url

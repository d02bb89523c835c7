"""Checks of the server itself: its keys, and the address under which Twilio finds it."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from ringfence.features.doctor.values.facts import KeyState, Server
from ringfence.features.doctor.values.findings import Finding, ok


def check_server(server: Server) -> Iterator[Finding]:
    """PUBLIC_URL: can Twilio use it?"""
    check, public = "server.public_url", urlsplit(server.public_url)
    if _is_local(public.hostname or ""):
        if _is_local(urlsplit(server.twilio_url).hostname or ""):
            yield ok(check, "PUBLIC_URL is an address of this machine, as the local Twilio needs it.")
            return
        yield Finding(
            check,
            "problem",
            f"PUBLIC_URL ({server.public_url}) is where Twilio cannot reach: no text, call or report comes in.",
            "Set RINGFENCE_PUBLIC_URL to the https address under which the internet finds this server.",
        )
        return
    if public.scheme != "https":
        yield Finding(
            check,
            "problem",
            f"PUBLIC_URL ({server.public_url}) is not https: texts and log-ins cross the internet in the open.",
            "Put a proxy with a certificate in front, and set RINGFENCE_PUBLIC_URL to its https address.",
        )
    elif server.answers is False:
        yield Finding(
            check,
            "notice",
            f"PUBLIC_URL ({server.public_url}) did not answer this server itself.",
            "Open it from outside. Where a network does not lead back to itself this is no fault.",
        )
    else:
        yield ok(check, "PUBLIC_URL is https and leads here.")


def check_keys(state: KeyState) -> Iterator[Finding]:
    """Whether the stored token opens, and with which key."""
    check = "server.secret_keys"
    if state == "unreadable":
        yield Finding(
            check,
            "problem",
            "No key of RINGFENCE_SECRET_KEYS opens the stored auth token.",
            "Add the key it was sealed with, or save the token again.",
        )
    elif state == "old":
        yield Finding(
            check,
            "notice",
            "The stored auth token is sealed with an older key.",
            "Run `ringfence secrets rotate`; then the older key can be taken out of RINGFENCE_SECRET_KEYS.",
        )
    else:
        yield ok(check, "The stored auth token is sealed with the newest key.")


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False

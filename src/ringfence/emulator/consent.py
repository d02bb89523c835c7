"""Opt-out keywords as Twilio handles them by default, for one pair of company number and customer number.

Rules: https://help.twilio.com/articles/223134027. The replies are worded by us.
"""

from typing import Literal

Wish = Literal["STOP", "START", "HELP"]

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})


def wish_of(body: str) -> Wish | None:
    """What a text asks for: the whole text must be one keyword, in any case, spaces around it allowed."""
    word = body.strip().upper()
    if word in STOP_WORDS:
        return "STOP"
    if word in START_WORDS:
        return "START"
    return "HELP" if word in HELP_WORDS else None


def apply_wish(opt_outs: set[tuple[str, str]], company: str, customer: str, wish: Wish) -> str | None:
    """Change the list of blocked pairs (company number, customer number); the text Twilio sends back, if any."""
    pair = (company, customer)
    if wish == "STOP":
        if pair in opt_outs:
            return None
        opt_outs.add(pair)
        return "You are unsubscribed and will get no more texts from this number. Reply START to get them again."
    if wish == "START":
        if pair not in opt_outs:
            return None
        opt_outs.remove(pair)
        return "You are subscribed again and will get texts from this number. Reply STOP to end them."
    return "Reply STOP to end texts from this number. Message and data rates may apply."

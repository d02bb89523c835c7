"""What Twilio's error codes mean to people, and what may be done about them.

Source: https://www.twilio.com/docs/api/errors. Codes below 30000 answer a request; 30xxx and 63xxx mostly come
later with a text's status. Decisions rest on the code alone: Twilio's own messages are free text and change.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Retry(StrEnum):
    """Whether the same text may go out again, and on whose word."""

    NEVER = "never"
    """Sending it again can only fail again, or must not be done."""
    SOON = "soon"
    """Nothing was done at Twilio: again after a short, growing pause."""
    LATER = "later"
    """A limit or a queue is full: again after minutes or hours, slower."""
    AFTER_FIX = "after_fix"
    """Again once somebody has changed the account, the sender or the text."""
    BY_PERSON = "by_person"
    """It may work another day; a person decides, no rule does."""
    UNKNOWN = "unknown"
    """The text may have gone out: find out first, never resend blindly."""


class Scope(StrEnum):
    """What the code speaks about: how much has to stop."""

    TEXT = "text"
    RECIPIENT = "recipient"
    SENDER = "sender"
    ACCOUNT = "account"
    SETUP = "setup"
    """This product's own request or configuration is wrong."""


@dataclass(frozen=True, slots=True)
class TwilioCode:
    """One code: `meaning` and `fix` are sentences for people; `fix` is empty where nothing can be done."""

    code: int | None
    retry: Retry
    scope: Scope
    meaning: str
    fix: str = ""


_KNOWN: Final[dict[Scope, dict[Retry, dict[int, tuple[str, str]]]]] = {
    Scope.TEXT: {
        Retry.NEVER: {
            11751: ("The attachments are too large.", "Use smaller files: five megabytes in all."),
            12300: ("An attachment's type is not supported.", "Use another type of file."),
            14107: ("Too many automatic replies went back and forth between two numbers.", ""),
            14109: ("One inbound text was answered more than ten times.", ""),
            20404: ("It does not exist in this Twilio account, or no longer.", ""),
            21602: ("The text is empty.", "Write something or attach a file."),
            21604: ("The text has no recipient.", ""),
            21617: ("The text is longer than 1600 characters.", "Shorten it."),
            21619: ("The text is empty.", "Write something or attach a file."),
            21620: ("An attachment's address is not valid.", "Attach the file again."),
            21623: ("There are more than ten attachments.", "Remove some."),
            30007: (
                "Twilio or the carrier filtered the text as spam.",
                "Reword it and check the sender's registration.",
            ),
            30019: ("The attachments are too large for the carrier.", "Use smaller files."),
        },
        Retry.LATER: {
            20009: ("It is still in use at Twilio and cannot be deleted yet.", "Try again in a few minutes."),
        },
        Retry.BY_PERSON: {
            30008: ("The carrier did not deliver it and gave no reason.", ""),
            30036: ("It could not be sent in time, so Twilio dropped it.", ""),
        },
        Retry.UNKNOWN: {
            20500: ("Twilio had a fault; whether the text went out is not known.", ""),
            20503: ("Twilio was unavailable; whether the text went out is not known.", ""),
            30410: ("The carrier did not answer in time; whether the text arrived is not known.", ""),
        },
    },
    Scope.RECIPIENT: {
        Retry.NEVER: {
            13223: ("The number to call is not valid.", "Correct the number."),
            13224: ("The number to call is not valid.", "Correct the number."),
            13225: ("Twilio blocks calls to this number.", ""),
            21211: ("The recipient's number is not valid.", "Correct the number."),
            21214: ("The number to call cannot be reached.", "Correct the number."),
            21216: ("Twilio does not call this number.", ""),
            21217: ("The number to call is not valid.", "Correct the number."),
            21610: ("The recipient has opted out.", "Only the recipient can opt in again, by texting START."),
            21612: ("Twilio has no route from this sender to this number.", "Try another sender."),
            21614: ("The recipient's number cannot receive texts.", ""),
            21622: ("This recipient cannot receive attachments.", "Send it as a plain text."),
            21635: ("The recipient's number is a landline.", ""),
            30004: ("The recipient or the carrier blocks these texts.", ""),
            30005: ("The number is unknown or no longer in service.", "Check the number with the contact."),
            30006: ("The number is a landline or its carrier cannot be reached.", ""),
            30011: ("The recipient's region cannot receive attachments.", "Send it as a plain text."),
            30450: ("Twilio blocked the text as suspected fraud.", ""),
            30640: ("Twilio blocked the text for legal compliance.", ""),
            63016: (
                "WhatsApp allows free text only within 24 hours of the person's last message.",
                "Use an approved template.",
            ),
            63024: ("The recipient cannot be reached on this channel.", ""),
            63036: ("The recipient cannot be reached on RCS.", ""),
        },
        Retry.LATER: {
            30017: ("The recipient's network is congested.", ""),
            30610: ("Twilio held the text back because of quiet hours.", "Send within the permitted hours."),
        },
        Retry.AFTER_FIX: {
            13227: (
                "Calls to this country are switched off in the Twilio account.",
                "Allow the country in Twilio's voice geographic permissions.",
            ),
            21215: (
                "Calls to this country are switched off in the Twilio account.",
                "Allow the country in Twilio's voice geographic permissions.",
            ),
            21219: (
                "A trial account can only call numbers it has verified.",
                "Verify the number at Twilio or upgrade the account.",
            ),
            21408: (
                "Texts to this country are switched off in the Twilio account.",
                "Allow the country in Twilio's messaging geographic permissions.",
            ),
            21608: (
                "A trial account can only text numbers it has verified.",
                "Verify the number at Twilio or upgrade the account.",
            ),
        },
        Retry.BY_PERSON: {
            30003: ("The phone is switched off or out of reach.", ""),
        },
    },
    Scope.SENDER: {
        Retry.NEVER: {
            21621: ("This sender cannot send attachments.", "Send it as a plain text."),
        },
        Retry.LATER: {
            21611: ("Twilio's queue for this sender is full.", "Send more slowly or from more numbers."),
            30001: (
                "Twilio's queue for this sender overflowed; the text was not sent.",
                "Send more slowly or from more numbers.",
            ),
            30022: ("The carriers' rate limit of the registered campaign was exceeded.", "Send more slowly."),
            30023: (
                "The carrier's daily limit of the registered brand is reached.",
                "It resets at midnight Pacific time.",
            ),
            30027: (
                "The carrier's daily limit of the registered campaign is reached.",
                "It resets at midnight Pacific time.",
            ),
            63018: ("The channel's rate limit was exceeded.", "Send more slowly."),
        },
        Retry.AFTER_FIX: {
            13226: ("The number shown to the called person is not valid.", "Choose another number."),
            21210: (
                "The number shown to the called person is not verified.",
                "Verify it at Twilio or choose another number.",
            ),
            21212: ("The sending number is not valid.", "Choose another sender."),
            21603: ("No sending number was given.", "Choose a sender."),
            21606: (
                "This sender cannot text this destination.",
                "Check that the account owns the number and that it can text.",
            ),
            21659: ("The sending number is not a Twilio number.", "Sync the phone numbers and choose another sender."),
            21660: (
                "The sending number belongs to another Twilio account.",
                "Sync the phone numbers and choose another sender.",
            ),
            21701: ("The messaging service does not exist.", "Correct the messaging service."),
            21703: ("The messaging service has no numbers.", "Add a number to it at Twilio."),
            21704: ("The messaging service has no number that fits.", "Add a fitting number to it at Twilio."),
            21705: ("The messaging service's identifier is malformed.", "Correct the messaging service."),
            30032: ("The toll-free number is not verified.", "Complete toll-free verification at Twilio."),
            30033: ("The number's US campaign registration is suspended.", "Settle the registration at Twilio."),
            30034: ("The number is not registered for texting in the US (A2P 10DLC).", "Register it at Twilio."),
            30035: ("The number's US registration is still being set up.", "Wait until Twilio shows it as registered."),
            32017: ("The carrier blocked the call because of the number shown.", "Choose another number."),
        },
    },
    Scope.ACCOUNT: {
        Retry.SOON: {
            20429: ("Too many requests to this Twilio account at once; nothing was sent.", ""),
        },
        Retry.LATER: {
            63038: (
                "The account's daily limit of messages is reached.",
                "It frees up over the next 24 hours; Twilio can raise it.",
            ),
        },
        Retry.AFTER_FIX: {
            20003: (
                "Twilio refuses the account's credentials.",
                "Connect the Twilio account again with its current auth token or key.",
            ),
            20005: ("The Twilio account is suspended or closed.", "Settle it with Twilio, then verify the connection."),
            20006: ("The credentials may not do this.", "Use the auth token or a key with more permissions."),
            21404: ("A trial account can have one number only.", "Upgrade the Twilio account."),
            21615: (
                "A number of this country needs an address there.",
                "Add the address at Twilio, and buy the number there with it.",
            ),
            21631: (
                "A number of this country needs an address on file.",
                "Add the address at Twilio, and buy the number there with it.",
            ),
            21649: (
                "A number of this country needs papers that the regulator asks for.",
                "Complete the regulatory bundle at Twilio, and buy the number there with it.",
            ),
            20008: ("Test credentials cannot do this.", "Use the account's live credentials."),
            30002: (
                "The Twilio account was suspended before the text went out.",
                "Settle it with Twilio, then send again.",
            ),
            30037: ("Sending is switched off for this Twilio account.", "Ask Twilio to enable outbound messaging."),
            30454: ("The trial account's limit of messages is reached.", "Upgrade the Twilio account."),
        },
    },
    Scope.SETUP: {
        Retry.NEVER: {
            11200: ("Twilio could not deliver an event here: the answer was wrong or too slow.", "See the log."),
            11205: ("Twilio could not connect to this server.", "Check RINGFENCE_PUBLIC_URL and the firewall."),
            11210: ("Twilio could not find this server's address.", "Check RINGFENCE_PUBLIC_URL and its DNS entry."),
            11215: ("Twilio was redirected too often.", "RINGFENCE_PUBLIC_URL must answer without redirects."),
            11220: ("Twilio could not agree on encryption with this server.", "Check the TLS certificate."),
            11235: ("Twilio does not trust this server's certificate.", "Check the TLS certificate."),
            11237: ("Twilio does not trust this server's certificate.", "Send its whole certificate chain."),
            12100: ("This server's answer to an event was not valid XML.", ""),
            12200: ("This server's answer to an event did not fit Twilio's schema.", ""),
            20007: ("A page of more than 1000 entries was asked for.", ""),
            21220: ("The call has already ended.", ""),
            21609: (
                "Twilio refuses the address for delivery reports.",
                "Set RINGFENCE_PUBLIC_URL to an address Twilio can reach.",
            ),
            21421: ("This is not a number that Twilio sells.", "Choose one from a new search."),
            21422: ("This number is not for sale, or no longer.", "Choose another one from a new search."),
            21451: ("The area code is not valid.", "Correct the area code."),
            21452: ("Twilio has no number in this area code.", "Try another area code."),
            21624: ("The text's period of validity is not allowed.", ""),
            21664: ("The fallback sender is not allowed here.", ""),
            21666: ("The fallback sender is not allowed here.", ""),
            21667: ("The fallback sender is not allowed here.", ""),
            35111: ("No time was given for a scheduled text.", ""),
            35114: ("The time is outside the window in which Twilio schedules.", ""),
            35115: ("The time is outside the window in which Twilio schedules.", ""),
            35117: ("The time is outside the window in which Twilio schedules.", ""),
            35118: ("Twilio schedules only for a messaging service.", ""),
            35125: ("Too many texts are scheduled at Twilio.", ""),
            35126: ("The kind of schedule is not valid.", ""),
            90007: ("The text's period of validity is not allowed.", ""),
        },
    },
}

_BY_CODE: Final = MappingProxyType(
    {
        code: TwilioCode(code, retry, scope, meaning, fix)
        for scope, by_retry in _KNOWN.items()
        for retry, by_code in by_retry.items()
        for code, (meaning, fix) in by_code.items()
    }
)


def explain(code: int | None) -> TwilioCode:
    """What a code means; for an unknown code (or none) a general answer that never permits a resend."""
    known = _BY_CODE.get(code) if code is not None else None
    if known is not None:
        return known
    if code is None:
        return TwilioCode(None, Retry.NEVER, Scope.TEXT, "Twilio gave no reason.")
    return TwilioCode(
        code, Retry.NEVER, Scope.TEXT, f"Twilio reported code {code}.", "See Twilio's list of error codes."
    )


def known_codes() -> tuple[int, ...]:
    """Every code with an entry of its own, in rising order."""
    return tuple(sorted(_BY_CODE))

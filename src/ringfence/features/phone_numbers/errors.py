"""Failures of the phone numbers room. Codes are stable; no message holds a whole number."""

from collections.abc import Sequence
from uuid import UUID

from ringfence.errors import ConflictError, InvalidInputError, RefusedError
from ringfence.features.phone_numbers.values import last_four


class NumberHeldElsewhereError(ConflictError):
    """Another company of this server holds numbers of this account."""

    def __init__(self, phone_numbers: Sequence[str]) -> None:
        shown = [last_four(number) for number in phone_numbers]
        more = f" and {len(shown) - 1} more" if len(shown) > 1 else ""
        super().__init__(
            "number_held_elsewhere",
            f"Another company on this server holds the number {shown[0]}{more} of this Twilio account;"
            " nothing was changed.",
            {"numbers": shown, "fix": "Use a subaccount of your own, or let the other company release the number."},
        )


class NumberReleasedError(ConflictError):
    """The number no longer belongs to the company's account."""

    def __init__(self) -> None:
        super().__init__("number_released", "This number no longer belongs to the Twilio account; it is kept to read.")


class NotASenderError(ConflictError):
    """The number cannot be the default: it is inactive or cannot text."""

    def __init__(self) -> None:
        super().__init__("number_cannot_send", "Only an active number that can send texts can be the default.")


class AlreadyYoursError(ConflictError):
    """The company has the number that it wants to buy."""

    def __init__(self) -> None:
        super().__init__("number_is_yours", "This number belongs to the company already.")


class PurchaseUnderWayError(ConflictError):
    """Somebody is buying this number, or nobody knows yet whether it was bought."""

    def __init__(self, purchase_id: UUID | None) -> None:
        super().__init__(
            "purchase_under_way",
            "This number is just being bought; look at the purchase before you try again.",
            {"purchase_id": None if purchase_id is None else str(purchase_id)},
        )


class PurchaseRefusedError(RefusedError):
    """Twilio does not sell the number to this account."""

    def __init__(self, purchase_id: UUID, *, code: int | None, reason: str) -> None:
        super().__init__("purchase_refused", reason, {"purchase_id": str(purchase_id), "twilio_code": code})


class NoSuchOffersError(InvalidInputError):
    """Twilio sells no numbers of this kind in this country."""

    def __init__(self, country: str, kind: str) -> None:
        super().__init__("no_such_numbers", f"Twilio sells no {kind} numbers in the country {country}.")


class KeyReusedError(ConflictError):
    """The Idempotency-Key came with another request."""

    def __init__(self) -> None:
        super().__init__("idempotency_key_reused", "This Idempotency-Key came with another request before.")


class NotConfirmedError(InvalidInputError):
    """What was typed to confirm is not the number."""

    def __init__(self) -> None:
        super().__init__("not_confirmed", "Giving a number back cannot be undone: type the whole number as confirm.")


class NoSenderError(RefusedError):
    """No number of the company may send this text."""

    def __init__(self, *, needs_mms: bool) -> None:
        what = "send texts with attachments" if needs_mms else "send texts"
        super().__init__("no_sender", f"There is no active phone number that can {what}.")


class UnknownSenderError(RefusedError):
    """The company has no such number. A number of another company gives the same answer."""

    def __init__(self) -> None:
        super().__init__("unknown_sender", "The number to send from is not one of this company's phone numbers.")


class SenderInactiveError(RefusedError):
    """The number that would have to send is switched off or released."""

    def __init__(self) -> None:
        super().__init__(
            "sender_inactive", "The number to send from is inactive or no longer belongs to the Twilio account."
        )


class SenderIncapableError(RefusedError):
    """The number that would have to send cannot carry this text."""

    def __init__(self, *, needs_mms: bool) -> None:
        what = "attachments" if needs_mms else "texts"
        super().__init__("sender_incapable", f"The number to send from cannot send {what}.")


class CannotCallError(RefusedError):
    """The number that a call was to show cannot make calls."""

    def __init__(self) -> None:
        super().__init__("sender_incapable", "The number to call from cannot make calls.")


class NoCallerIdError(RefusedError):
    """No number of the company can make calls."""

    def __init__(self) -> None:
        super().__init__("no_sender", "There is no active phone number that can make calls.")

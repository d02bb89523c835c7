"""Refusals in the shape of the v2010 API: a code, an HTTP status and a sentence."""

import json

# Codes and statuses: Twilio's error dictionary (https://www.twilio.com/docs/api/errors). The wording is ours,
# because Twilio's own is free to change and nobody may depend on it.
MESSAGES: dict[int, str] = {
    20003: "Authenticate",
    20005: "The account is not active",
    20007: "PageSize may not be greater than 1000",
    20009: "The message is still being processed and cannot be deleted yet",
    20404: "The requested resource was not found",
    20429: "Too many requests are in progress for this account",
    20500: "An internal server error has occurred",
    20503: "The service is unavailable",
    21201: "A 'To' number is required",
    21205: "The URL of the call is not valid",
    21210: "The 'From' number is not verified for your account",
    21211: "The 'To' number is not a valid phone number",
    21212: "The 'From' number is not a valid phone number",
    21213: "A 'From' number is required",
    21214: "The 'To' number cannot be reached",
    21215: "Permission to call this region is not enabled for the account",
    21216: "Calls to this 'To' number are blocked",
    21217: "The 'To' number is not a valid phone number",
    21220: "The call is not in a state for that",
    20001: "A parameter is not valid",
    21402: "The URL is not valid",
    21403: "The HTTP method is not valid",
    21404: "A trial account can have one phone number only",
    21408: "Permission to send to this region is not enabled for the account",
    21421: "The phone number is not valid",
    21422: "The phone number is not available",
    21451: "The area code is not valid",
    21452: "No phone numbers were found in this area code",
    21615: "A local address is needed for this phone number",
    21631: "An address is needed for this phone number",
    21649: "A regulatory bundle is needed for this phone number",
    21602: "A message needs a body or media",
    21603: "A 'From' number is required",
    21604: "A 'To' number is required",
    21606: "The 'From' number cannot send this message",
    21609: "The 'StatusCallback' URL is not valid",
    21610: "The recipient has opted out of messages from this sender",
    21611: "The queue of this 'From' number is full",
    21612: "The 'To' number cannot be reached from this 'From' number",
    21614: "The 'To' number is not a mobile number",
    21617: "The message body exceeds 1600 characters",
    21620: "A media URL is not valid",
    21623: "A message may carry at most 10 media files",
    21624: "The validity period must be between 1 and 36000 seconds",
    21659: "The 'From' number is not a Twilio number",
    21660: "The 'From' number does not belong to this account",
    21701: "The Messaging Service does not exist",
    21712: "The phone number is in another Messaging Service",
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30022: "Carrier rate exceeded",
    30034: "Message from an unregistered number",
    30036: "Validity period expired",
    30409: "This message cannot be canceled",
    35118: "A scheduled message needs a Messaging Service",
    63038: "The account exceeded its daily messages limit",
}

_STATUSES: dict[int, int] = {
    20003: 401,
    20005: 403,
    20009: 409,
    20404: 404,
    20429: 429,
    20500: 500,
    20503: 503,
    63038: 429,
}


def explanation(code: int) -> str:
    """One sentence for a code; unknown codes get a plain one."""
    return MESSAGES.get(code, "The request could not be processed")


class TwilioError(Exception):
    """A request that is refused. `headers` are added to the answer."""

    def __init__(self, code: int, message: str | None = None, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message or explanation(code))
        self.code = code
        self.status = _STATUSES.get(code, 400)
        self.headers = headers or {}

    def body(self) -> bytes:
        """The JSON body: code, message, more_info, status."""
        return json.dumps(
            {
                "code": self.code,
                "message": str(self),
                "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
                "status": self.status,
            }
        ).encode()

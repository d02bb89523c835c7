"""The way to Twilio as a service of the doors: which Twilio it is, and under which addresses Twilio reaches us."""

from dataclasses import dataclass
from typing import Literal

from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.records import TwilioCredentials

WebhookKind = Literal[
    "inbound", "status", "voice", "voice/connect", "voice/after-dial", "voicemail", "recording", "call-status"
]


@dataclass(frozen=True, slots=True)
class TwilioGateway:
    """Holds no credentials. `timeout_seconds` bounds each single request to Twilio."""

    api_url: str
    public_url: str
    timeout_seconds: float = 30.0

    def account(self, account_sid: str, auth_token: str) -> TwilioAccount:
        """One account, to be used in an `async with`. Raises ValueError for a SID that is none or an empty token."""
        credentials = TwilioCredentials(account_sid, account_sid, auth_token)
        return TwilioAccount(credentials, api_url=self.api_url, timeout_seconds=self.timeout_seconds)

    def webhook_url(self, webhook_path: str, kind: WebhookKind) -> str:
        """Where Twilio reports to for one connection; the path in it is a secret between Twilio and us."""
        return f"{self.public_url}/webhooks/twilio/{webhook_path}/{kind}"

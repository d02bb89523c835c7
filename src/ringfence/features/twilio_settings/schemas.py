"""Answers of the Twilio settings. None holds the auth token."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field

from ringfence.features.twilio_settings.model import TwilioSettings
from ringfence.features.twilio_settings.values import EXPLANATIONS
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.web.schemas import Answer


class WebhookAddresses(Answer):
    """Where Twilio is to report to. The addresses hold the connection's secret path: for company admins only."""

    inbound_url: str
    status_url: str


class ConnectedAnswer(Answer):
    """The connected account. `status_reason` and `status_fix` are sentences for people, null when all is well."""

    connected: Literal[True] = True
    account_sid: str
    friendly_name: str
    auth_token_last_four: str
    status: str = Field(description="verified, unverified or suspended")
    status_code: str | None = Field(
        description="Stable word for the state: credentials_refused, account_suspended, account_closed."
    )
    status_reason: str | None
    status_fix: str | None
    verified_at: datetime | None
    webhooks: WebhookAddresses
    webhooks_set_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def about(cls, settings: TwilioSettings, gateway: TwilioGateway) -> Self:
        """The answer for stored settings."""
        explanation = EXPLANATIONS.get(settings.status_reason or "")
        return cls(
            account_sid=settings.account_sid,
            friendly_name=settings.friendly_name,
            auth_token_last_four=settings.auth_token_last4,
            status=settings.status,
            status_code=settings.status_reason,
            status_reason=explanation.reason if explanation else None,
            status_fix=explanation.fix if explanation else None,
            verified_at=settings.verified_at,
            webhooks=WebhookAddresses(
                inbound_url=gateway.webhook_url(settings.webhook_path, "inbound"),
                status_url=gateway.webhook_url(settings.webhook_path, "status"),
            ),
            webhooks_set_at=settings.webhooks_set_at,
            created_at=settings.created_at,
            updated_at=settings.updated_at,
        )


class NotConnectedAnswer(Answer):
    """No account is connected yet."""

    connected: Literal[False] = False


SettingsAnswer = Annotated[ConnectedAnswer | NotConnectedAnswer, Field(discriminator="connected")]

"""The addresses under which Twilio asks and reports about one call; each proves that this server made it.

The code is bound to company, kind of address, call and leg, so an address of one call opens no other one's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.gateway import TwilioGateway, WebhookKind

_PURPOSE = "call"


class ForgedAddressError(Exception):
    """The ids in an address were not put there by this server for this company and purpose."""


@dataclass(frozen=True, slots=True)
class Named:
    """What one of our own addresses names."""

    call_id: UUID
    leg_id: UUID | None


@dataclass(frozen=True, slots=True)
class CallAddresses:
    """Makes and reads the addresses of one company's connection."""

    keyring: Keyring
    gateway: TwilioGateway
    company_id: UUID
    webhook_path: str

    def of(self, kind: WebhookKind, call_id: UUID, leg_id: UUID | None = None) -> str:
        """The address for one call, or one leg of it."""
        ids = {"call_id": str(call_id)} | ({"leg_id": str(leg_id)} if leg_id else {})
        code = self.keyring.sign(_PURPOSE, *self._parts(kind, ids))
        return f"{self.gateway.webhook_url(self.webhook_path, kind)}?{urlencode({**ids, 'code': code})}"

    def read(self, kind: WebhookKind, query: Mapping[str, str]) -> Named | None:
        """What a request names; None when it names nothing, as a number's own address. Raises ForgedAddressError."""
        ids = {name: query[name] for name in ("call_id", "leg_id") if name in query}
        if not ids and "code" not in query:
            return None
        if "call_id" not in ids or not self.keyring.verify(query.get("code", ""), _PURPOSE, *self._parts(kind, ids)):
            raise ForgedAddressError
        leg_id = ids.get("leg_id")
        return Named(UUID(ids["call_id"]), None if leg_id is None else UUID(leg_id))

    def _parts(self, kind: WebhookKind, ids: Mapping[str, str]) -> tuple[str, ...]:
        return (str(self.company_id), kind, ids.get("call_id", ""), ids.get("leg_id", ""))

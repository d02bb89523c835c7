"""How an account is set up beside its numbers: its messaging services."""

from typing import Final

from ringfence.providers.twilio.connection import Connection, checked_sid, pages, unusable_is_unreachable
from ringfence.providers.twilio.records import ServiceInfo, service_info

_PAGE: Final = 100


class Setup(Connection):
    """The calls that only look at the account's set-up."""

    async def list_services(self) -> list[ServiceInfo]:
        """Every messaging service of the account."""
        services: list[ServiceInfo] = []
        with unusable_is_unreachable():
            first = await self._api.messaging.v1.services.page_async(page_size=_PAGE)
            async for page in pages(first):
                for instance in page:
                    self._require_own(str(instance.account_sid))
                    services.append(service_info(instance))
        return services

    async def service_numbers(self, sid: str) -> list[str]:
        """The numbers (E.164) in a messaging service's pool."""
        numbers: list[str] = []
        with unusable_is_unreachable():
            first = await self._api.messaging.v1.services(checked_sid(sid, "MG")).phone_numbers.page_async(
                page_size=_PAGE
            )
            async for page in pages(first):
                numbers += [str(instance.phone_number) for instance in page]
        return numbers

"""Asking Twilio and the network, outside any transaction: each part by itself, each with a deadline."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

import aiohttp

from ringfence.features.doctor.values.facts import Pool, Remote, Silence
from ringfence.providers.twilio.control import TwilioAccount
from ringfence.providers.twilio.errors import (
    AccountSuspendedError,
    BadCredentialsError,
    TwilioError,
    TwilioRefusedError,
)
from ringfence.providers.twilio.gateway import TwilioGateway
from ringfence.providers.twilio.records import ServiceInfo

_PART_SECONDS: Final = 40.0
_REACH_SECONDS: Final = 5.0
_MOST_POOLS: Final = 20
_POOLS_AT_ONCE: Final = 4

Answer = TypeVar("Answer")


async def ask_twilio(gateway: TwilioGateway, account_sid: str, auth_token: str) -> Remote:
    """What Twilio says of an account. What cannot be known is a Silence; nothing is raised."""
    async with gateway.account(account_sid, auth_token) as account:
        info = await _part(account.fetch_account())
        if isinstance(info, Silence) and info.refused:
            return Remote(info, info, info)
        numbers, pools = await asyncio.gather(_part(account.list_numbers()), _part(_pools(account)))
        return Remote(info, numbers, pools)


async def leads_here(public_url: str) -> bool:
    """Whether an address answers as this server does, within five seconds."""
    timeout = aiohttp.ClientTimeout(total=_REACH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as client,
            client.get(f"{public_url}/healthz", allow_redirects=False) as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False


async def _pools(account: TwilioAccount) -> Sequence[Pool]:
    services = await account.list_services()
    turn = asyncio.Semaphore(_POOLS_AT_ONCE)

    async def read(service: ServiceInfo) -> Pool:
        async with turn:
            try:
                return Pool(service, await account.service_numbers(service.sid))
            except TwilioError:
                return Pool(service, None)

    read_ones = await asyncio.gather(*(read(service) for service in services[:_MOST_POOLS]))
    return [*read_ones, *(Pool(service, None) for service in services[_MOST_POOLS:])]


async def _part(part: Awaitable[Answer]) -> Answer | Silence:
    try:
        async with asyncio.timeout(_PART_SECONDS):
            return await part
    except (BadCredentialsError, AccountSuspendedError) as error:
        return Silence(error.explanation.meaning, refused=True)
    except TwilioRefusedError as error:
        return Silence(f"Twilio did not say: {error.explanation.meaning}")
    except TwilioError as error:
        return Silence(f"{error}.")
    except TimeoutError:
        return Silence("Twilio took too long.")

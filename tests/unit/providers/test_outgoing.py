"""The client for addresses that companies choose: where it goes, what it does not follow, how little it reads."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ringfence.errors import ConfigurationError
from ringfence.providers.outgoing.client import MOST_READ_BYTES, Answered, Lookup, NoAnswer, OutgoingClient
from ringfence.providers.outgoing.networks import Reach, read_networks
from tests.factories.receivers import hang, receiving
from tests.unit.providers.raw_server import raw, raw_server

LOOPBACK = read_networks(["127.0.0.0/8"], setting="TEST")
HEADERS = {"webhook-id": "evt_1"}

CLOSED = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.19.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)
OPEN = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1")


@asynccontextmanager
async def started(reach: Reach, *, seconds: float = 5.0, lookup: Lookup | None = None) -> AsyncIterator[OutgoingClient]:
    client = OutgoingClient(reach, timeout_seconds=seconds, lookup=lookup)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def post(client: OutgoingClient, url: str) -> Answered | NoAnswer:
    return await client.post(url, headers=HEADERS, body=b"{}")


@pytest.mark.parametrize("address", CLOSED)
def test_closed_addresses(address: str) -> None:
    assert not Reach().permits(address, plain=False)
    assert not Reach().permits(address, plain=True)


@pytest.mark.parametrize("address", OPEN)
def test_open_addresses_and_https_only(address: str) -> None:
    assert Reach().permits(address, plain=False)
    assert not Reach().permits(address, plain=True)


def test_the_operator_opens_networks_of_their_own() -> None:
    reach = Reach(read_networks(["10.0.0.0/8", "fd00::/8"], setting="TEST"))

    assert reach.permits("10.1.2.3", plain=True)
    assert reach.permits("fd00::5", plain=False)
    assert not reach.permits("192.168.1.1", plain=False)
    with pytest.raises(ConfigurationError, match="HERE is wrong"):
        read_networks(["10.0.0.1/8"], setting="HERE")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_the_loopback_is_not_reached_however_it_is_written(host: str) -> None:
    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        async with started(Reach()) as client:
            for scheme in ("http", "https"):
                refused = await post(client, f"{scheme}://{host}:{port}/")
                assert isinstance(refused, NoAnswer)
                assert refused.reason in {"address_not_allowed", "dns", "bad_url"}
        assert receiver.got == []
        async with started(Reach(LOOPBACK)) as client:
            assert isinstance(await post(client, receiver.url), Answered)
        assert len(receiver.got) == 1


async def test_a_name_that_changes_its_mind_is_checked_where_it_leads() -> None:
    """First a public address, as whoever entered it saw; then the loopback."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        async with started(Reach(), lookup=rebinding) as client:
            assert await client.addresses("crm.example", 443) == ["8.8.8.8"]
            refused = await post(client, f"https://crm.example:{port}/")
        async with started(Reach(LOOPBACK), lookup=rebinding) as client:
            reached = await post(client, f"http://crm.example:{port}/")

    assert isinstance(refused, NoAnswer)
    assert refused.reason == "address_not_allowed"
    assert isinstance(reached, Answered)
    assert len(receiver.got) == 1


async def test_redirects_are_answers_and_not_followed() -> None:
    async with receiving() as inside, receiving() as outside, started(Reach(LOOPBACK)) as client:

        async def redirect(_request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(inside.url)

        outside.behave = redirect
        answer = await post(client, outside.url)

    assert isinstance(answer, Answered)
    assert answer.status == 307
    assert (len(outside.got), len(inside.got)) == (1, 0)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver, started(Reach(LOOPBACK)) as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        answer = await post(client, receiver.url)

    assert isinstance(answer, Answered)
    assert (len(receiver.got), len(proxy.got)) == (1, 0)


async def test_of_a_huge_answer_little_is_read_and_a_bomb_stays_packed() -> None:
    async with receiving() as receiver, started(Reach(LOOPBACK)) as client:

        async def huge(_request: web.Request) -> web.StreamResponse:
            return web.Response(body=b"x" * 50_000_000, headers={"Content-Encoding": "gzip"})

        receiver.behave = huge
        answer = await post(client, receiver.url)

    assert isinstance(answer, Answered)
    assert len(answer.excerpt) == MOST_READ_BYTES


async def test_a_body_that_never_ends_is_an_answer_and_silence_is_none() -> None:
    async with receiving() as receiver, started(Reach(LOOPBACK), seconds=0.3) as client:

        async def drip(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(status=202)
            await response.prepare(request)
            await response.write(b"soon")
            return await hang(request)

        receiver.behave = drip
        dripping = await post(client, receiver.url)
        receiver.behave = hang
        silent = await post(client, receiver.url)

    assert isinstance(dripping, Answered)
    assert (dripping.status, dripping.excerpt) == (202, "soon")
    assert isinstance(silent, NoAnswer)
    assert silent.reason == "timeout"


async def test_what_is_no_http_no_tls_or_not_there() -> None:
    async with started(Reach(LOOPBACK), seconds=3) as client:
        async with raw_server(raw(b"220 mail.example ESMTP\r\n")) as server:
            babble = await post(client, server.url)
        gone = await post(client, server.url)
        async with receiving() as receiver:
            no_tls = await post(client, receiver.url.replace("http://", "https://"))
        no_name = await post(client, "http://does-not-exist.invalid/")

    assert [item.reason for item in (babble, gone, no_tls, no_name) if isinstance(item, NoAnswer)] == [
        "bad_answer",
        "connection",
        "tls",
        "dns",
    ]

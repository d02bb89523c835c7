"""Files of inbound texts: from Twilio only, never more than allowed, credentials for the API alone."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ringfence.providers.twilio.errors import MediaRefusedError, TwilioError, TwilioUnreachableError
from ringfence.providers.twilio.media import FetchedMedia, fetch_media
from tests.unit.providers.stub_twilio import ROOT, StubTwilio, stub_twilio

MEDIA_PATH = f"{ROOT}/Messages/MM{'0' * 32}/Media/ME{'0' * 32}"
PICTURE = b"\x89PNG" + bytes(range(256)) * 8


async def fetched(
    url: str, base_url: str, *, max_bytes: int = 1_000_000, session: aiohttp.ClientSession | None = None
) -> FetchedMedia:
    async with session or aiohttp.ClientSession() as used:
        return await fetch_media(
            used,
            url,
            base_url=base_url,
            authorization="Basic c2VjcmV0",
            max_bytes=max_bytes,
            timeout_seconds=5.0,
        )


def picture(_: object) -> web.Response:
    return web.Response(body=PICTURE, content_type="image/PNG")


def redirect(location: str, status: int = 307) -> web.Response:
    return web.Response(status=status, headers={"Location": location} if location else {})


async def test_a_file_is_fetched_from_the_api_with_the_accounts_credentials() -> None:
    async with stub_twilio() as stub:
        stub.on(f"GET {MEDIA_PATH}", picture)
        assert await fetched(stub.url + MEDIA_PATH, stub.url) == FetchedMedia("image/png", PICTURE)
        assert (await fetched("https://api.twilio.com" + MEDIA_PATH, stub.url)).data == PICTURE
    assert [asked.headers["authorization"] for asked in stub.asked] == ["Basic c2VjcmV0"] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_within_the_api_are_followed(status: int) -> None:
    async with stub_twilio() as stub:
        stub.on(f"GET {MEDIA_PATH}", lambda _: redirect("/file?sig=a%2Bb%7E", status))
        stub.on("GET /file", lambda _: redirect("final", status))
        stub.on("GET /final", picture)
        assert (await fetched(stub.url + MEDIA_PATH, stub.url)).data == PICTURE
    assert stub.asked[1].query == {"sig": "a+b~"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://api.twilio.com" + MEDIA_PATH,
        "https://api.twilio.com.evil.example" + MEDIA_PATH,
        "https://api.twilio.com@evil.example" + MEDIA_PATH,
        "https://api.twilio.com:444" + MEDIA_PATH,
        "https://user:pass@api.twilio.com" + MEDIA_PATH,
        "https://evil.example/?https://api.twilio.com" + MEDIA_PATH,
        "https://[::1/x",
        "https://h:99999/x",
    ],
)
async def test_an_address_that_is_not_the_apis_is_never_asked(url: str) -> None:
    with pytest.raises(MediaRefusedError) as caught:
        await fetched(url, "https://api.twilio.com")
    assert caught.value.reason == "foreign_address"
    assert "evil" not in str(caught.value)


async def test_another_port_of_the_same_machine_is_foreign() -> None:
    async with stub_twilio() as stub, stub_twilio() as neighbour:
        neighbour.on(f"GET {MEDIA_PATH}", picture)
        assert (await fetched(neighbour.url + MEDIA_PATH, neighbour.url)).data == PICTURE
        with pytest.raises(MediaRefusedError):
            await fetched(neighbour.url + MEDIA_PATH, stub.url)
        stub.on(f"GET {MEDIA_PATH}", lambda _: redirect(neighbour.url + MEDIA_PATH))
        with pytest.raises(MediaRefusedError):
            await fetched(stub.url + MEDIA_PATH, stub.url)
    assert len(neighbour.asked) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/x",
        "http://media.twiliocdn.com/x",
        "https://media.twiliocdn.com:8443/x",
        "https://twiliocdn.com.evil.example/x",
        "https://eviltwiliocdn.com/x",
        "https://user@media.twiliocdn.com/x",
        "https://s3-external-1.amazonaws.com/somebody-else/x",
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/../somebody-else/x",
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/%2e%2e/somebody-else/x",
        "file:///etc/passwd",
        "https://[bad",
    ],
)
async def test_a_redirect_to_where_twilio_keeps_no_files_is_refused(location: str) -> None:
    async with stub_twilio() as stub:
        stub.on(f"GET {MEDIA_PATH}", lambda _: redirect(location))
        with pytest.raises(MediaRefusedError) as caught:
            await fetched(stub.url + MEDIA_PATH, stub.url)
    assert caught.value.reason == "foreign_address"
    assert len(stub.asked) == 1


@pytest.mark.parametrize("location", ["", MEDIA_PATH])
async def test_redirects_without_end_are_no_answer(location: str) -> None:
    async with stub_twilio() as stub:
        stub.on(f"GET {MEDIA_PATH}", lambda _: redirect(location))
        with pytest.raises(TwilioUnreachableError):
            await fetched(stub.url + MEDIA_PATH, stub.url)
    assert len(stub.asked) == 6


async def test_a_file_over_the_limit_is_refused_whether_it_says_so_or_not() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            return response

    app = web.Application()
    app.router.add_get("/endless", endless)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with stub_twilio() as stub:
        stub.on(f"GET {MEDIA_PATH}", picture)
        assert (await fetched(stub.url + MEDIA_PATH, stub.url, max_bytes=len(PICTURE))).data == PICTURE
        for address, base in [(stub.url + MEDIA_PATH, stub.url), (url + "/endless", url)]:
            with pytest.raises(MediaRefusedError) as caught:
                await fetched(address, base, max_bytes=len(PICTURE) - 1)
            assert caught.value.reason == "too_large"
    await runner.cleanup()


async def test_a_file_that_comes_too_slowly_is_given_up() -> None:
    async with stub_twilio() as stub, aiohttp.ClientSession() as session:
        stub.hang = True
        with pytest.raises(TwilioError) as caught:
            await fetch_media(
                session,
                stub.url + MEDIA_PATH,
                base_url=stub.url,
                authorization="Basic c2VjcmV0",
                max_bytes=10,
                timeout_seconds=0.2,
            )
    assert isinstance(caught.value, TwilioUnreachableError)
    assert caught.value.reason == "timeout"


@dataclass
class EverythingIsHere(AbstractResolver):
    """Resolves every name to one port of this machine, and keeps the names that were asked for."""

    port: int
    names: list[str] = field(default_factory=list[str])

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.names.append(host)
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self.port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def store_over_tls(folder: Path, stub: StubTwilio) -> AsyncIterator[int]:
    """The stub's answers over TLS with a certificate made for the occasion."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "location",
    [
        "https://media.twiliocdn.com/AC1/file?X-Amz-Signature=a%2Bb",
        "https://mms.twiliocdn.com/AC1/file?X-Amz-Signature=a%2Bb",
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/AC1/file?X-Amz-Signature=a%2Bb",
    ],
)
async def test_a_redirect_to_twilios_store_is_followed_without_credentials(location: str, tmp_path: Path) -> None:
    store = StubTwilio()
    path = location.partition("?")[0].split("/", 3)[3]
    store.on(f"GET /{path}", picture)
    async with stub_twilio() as stub, store_over_tls(tmp_path, store) as port:
        stub.on(f"GET {MEDIA_PATH}", lambda _: redirect(location))
        resolver = EverythingIsHere(port)
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=False)
        session = aiohttp.ClientSession(connector=connector)
        media = await fetched(stub.url + MEDIA_PATH, stub.url, session=session)
        await asyncio.sleep(0)  # lets the TLS connection close before its server does
    assert media.data == PICTURE
    assert resolver.names == [location.split("/")[2]]
    (asked,) = store.asked
    assert "authorization" not in asked.headers
    assert asked.query == {"X-Amz-Signature": "a+b"}
    assert "authorization" in stub.asked[0].headers

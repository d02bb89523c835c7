"""Whom the server believes about where a request comes from, and a signed webhook through the nginx of the page."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ringfence.api.serve import serve
from ringfence.errors import ConfigurationError
from ringfence.providers.twilio.signature import expected_signature
from ringfence.runtime.database import Logins
from ringfence.settings import Settings, load_settings
from tests.factories.cluster import Database
from tests.factories.processes import answers, free_port
from tests.factories.texts import CUSTOMER, Line, connect
from tests.factories.waiting import eventually
from tests.factories.world import SECRET_KEY, World

CONFIG = Path(__file__).parents[3] / "deploy" / "nginx" / "ringfence.conf"
NAME = "text.example.com"


@asynccontextmanager
async def serving(database: Database, folder: Path, **settings: str) -> AsyncIterator[int]:
    """`ringfence serve` in this process; its port."""
    port, stop = free_port(), asyncio.Event()
    chosen = Settings(secret_keys=SECRET_KEY, port=port, data_dir=folder, **settings)  # pyright: ignore
    task = asyncio.create_task(serve(chosen, Logins(database.app_url, database.platform_url), stop))
    try:
        await answers(f"http://127.0.0.1:{port}/healthz")
        yield port
    finally:
        stop.set()
        await task


async def address_of(client: httpx.AsyncClient, world: World, name: str, *forwarded: str) -> str:
    """Where a request seems to come from: what the audit log keeps of it."""
    headers = [*world.a.headers("admin").items(), *(("X-Forwarded-For", item) for item in forwarded)]
    changed = await client.patch("/api/company", json={"name": name}, headers=headers)
    assert changed.status_code == 200, changed.text
    log = await client.get("/api/audit-log", headers=world.a.headers("admin"))
    return log.json()["items"][0]["address"]


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [
        pytest.param("", ("127.0.0.1", "127.0.0.1"), id="nobody is believed"),
        pytest.param("127.0.0.1", ("203.0.113.7", "198.51.100.9"), id="the proxy is"),
        pytest.param("127.0.0.0/8,198.51.100.0/24", ("203.0.113.7", "203.0.113.7"), id="two of them"),
    ],
)
async def test_only_a_known_proxy_is_believed(
    world: World, database: Database, tmp_path: Path, trusted: str, seen: tuple[str, str]
) -> None:
    async with (
        serving(database, tmp_path, trusted_proxies=trusted) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        assert await address_of(client, world, "One", "203.0.113.7") == seen[0]
        # Whoever asks wrote the first, the proxy the last.
        assert await address_of(client, world, "Two", "203.0.113.7, 198.51.100.9") == seen[1]
        assert await address_of(client, world, "Three") == "127.0.0.1"


@pytest.mark.parametrize("wrong", ["*", "0.0.0.0/0", "::/0", "proxy.example.com", "10.0.0.1/8"])
def test_who_is_not_an_address_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("RINGFENCE_TRUSTED_PROXIES", wrong)
    with pytest.raises(ConfigurationError, match="RINGFENCE_TRUSTED_PROXIES"):
        load_settings()
    monkeypatch.setenv("RINGFENCE_TRUSTED_PROXIES", "127.0.0.1, ::1 ,10.0.0.0/8")
    assert load_settings().trusted_proxies == ("127.0.0.1", "::1", "10.0.0.0/8")


def make_certificate(folder: Path) -> ssl.SSLContext:
    """A key and a certificate for the page's name; what a client needs to trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


@asynccontextmanager
async def nginx(folder: Path, *, ports: tuple[int, int], api: int) -> AsyncIterator[None]:
    """nginx with the example as it is, but for ports, certificate and where temporary files go."""
    server = CONFIG.read_text(encoding="utf-8")
    for before, after in (
        ("listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{ports[1]} ssl;"),
        (f"/etc/letsencrypt/live/{NAME}/fullchain.pem", str(folder / "cert.pem")),
        (f"/etc/letsencrypt/live/{NAME}/privkey.pem", str(folder / "key.pem")),
        ("server 127.0.0.1:8001;", f"server 127.0.0.1:{api};"),
        ("server 127.0.0.1:8002;", "server 127.0.0.1:1;"),
    ):
        assert before in server, before
        server = server.replace(before, after)
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\nerror_log {folder / 'error.log'};\n"
        f"events {{}}\nhttp {{\naccess_log {folder / 'access.log'};\n{temporary}{server}}}\n"
    )
    arguments = ("-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"))
    check = await asyncio.create_subprocess_exec("nginx", "-t", *arguments, stderr=asyncio.subprocess.PIPE)
    _, said = await check.communicate()
    assert check.returncode == 0, said.decode()
    assert b"warn" not in said, said.decode()
    process = await asyncio.create_subprocess_exec("nginx", *arguments)

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", ports[1])
        except OSError:
            return False
        writer.close()
        return True

    try:
        await eventually(listens)
        yield
    finally:
        process.terminate()
        await process.wait()


async def signed(client: httpx.AsyncClient, base: str, line: Line, tail: str) -> httpx.Response:
    """An inbound text as Twilio sends it to an address."""
    fields = {"MessageSid": "SM" + "7" * 32, "AccountSid": line.account_sid, "From": CUSTOMER, "To": line.number}
    fields |= {"Body": "Grüße & ja?", "NumMedia": "0", "SmsStatus": "received"}
    headers = {"X-Twilio-Signature": expected_signature(line.auth_token, base + tail, list(fields.items()))}
    headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    return await client.post(tail, content=urlencode(fields), headers=headers)


async def test_signatures_hold_behind_the_nginx_of_the_page(world: World, database: Database, tmp_path: Path) -> None:
    line = await connect(world, world.a, "AC" + "a1" * 16, "aa11" * 8, ("+16025550101",))
    plain, secure = free_port(), free_port()
    # Twilio asks for the name; here it leads to this machine, on a port of its own.
    base = f"https://{NAME}:{secure}"
    trust = make_certificate(tmp_path)
    async with (
        serving(database, tmp_path, public_url=base, trusted_proxies="127.0.0.1") as api,
        nginx(tmp_path, ports=(plain, secure), api=api),
        httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{secure}", verify=trust, headers={"Host": f"{NAME}:{secure}"}
        ) as client,
    ):
        client.event_hooks["request"] = [_ask_for_the_name]
        path = f"/webhooks/twilio/{line.webhook_path}/inbound"
        for tail in (path, f"{path}?a=b%20c+d&e=%2F%2f"):
            assert (await signed(client, base, line, tail)).status_code == 200, tail
        # Signed for another address: refused, so the check is alive.
        forged = await signed(client, "https://elsewhere.example.com", line, path)
        assert forged.status_code == 403
        # What a caller says of itself goes no further; a connection counts by its own address.
        assert await address_of(client, world, "One", "203.0.113.7") == "127.0.0.1"
        # Large bodies pass, and are refused by the server's own limit, not by the proxy's.
        big = await client.post(
            "/api/media", files={"file": ("a.jpg", b"\xff\xd8\xff" + bytes(4_900_000))}, headers=world.a.headers("send")
        )
        assert big.status_code == 201, big.text
        # A live event comes through at once, while its stream goes on.
        async with asyncio.timeout(10), client.stream("GET", "/api/events", headers=world.a.headers("read")) as stream:
            assert await anext(stream.aiter_text())
        assert line.webhook_path not in (tmp_path / "access.log").read_text()
        async with httpx.AsyncClient() as outside:
            moved = await outside.get(f"http://127.0.0.1:{plain}/api/company?x=1", headers={"Host": NAME})
        assert (moved.status_code, moved.headers["location"]) == (301, f"https://{NAME}/api/company?x=1")


async def _ask_for_the_name(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = NAME

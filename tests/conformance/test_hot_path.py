"""The request that sends a text, checked against Twilio's own description of its API."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator, FormatChecker

from ringfence.providers.twilio.outcome import Accepted
from ringfence.providers.twilio.send import SendClient, SendRequest

SPEC: dict[str, Any] = json.loads(Path(__file__).with_name("twilio_api_trimmed.json").read_text())
PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
CREATE: dict[str, Any] = SPEC["paths"][PATH]["post"]
FORM_TYPE = "application/x-www-form-urlencoded"
ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
MESSAGE_SID = "SM" + "0123456789abcdef" * 2

PLAIN = SendRequest(
    account_sid=ACCOUNT_SID,
    auth_user="SK" + "0" * 32,
    auth_secret="secret",
    to="+16025550123",
    from_number="+16025550199",
    body="Grüße & 100% €: 😀\nsecond line",
)
REQUESTS = [
    pytest.param(PLAIN, id="plain"),
    pytest.param(
        SendRequest(
            account_sid=ACCOUNT_SID,
            auth_user=ACCOUNT_SID,
            auth_secret="secret",
            to="+442079460958",
            from_number="+16025550199",
            body="with everything",
            media_urls=tuple(f"https://crm.example/media/{n}?sig=a%2Fb" for n in range(10)),
            status_callback="https://crm.example/webhooks/twilio/x/status?m=1&mac=f0",
            validity_seconds=36_000,
        ),
        id="everything",
    ),
    pytest.param(
        SendRequest(
            account_sid=ACCOUNT_SID,
            auth_user=ACCOUNT_SID,
            auth_secret="secret",
            to="+16025550123",
            from_number="+16025550199",
            body="",
            media_urls=("https://crm.example/media/1",),
        ),
        id="picture only",
    ),
]


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """A validator for one part of the description, with its references resolved."""
    return Draft202012Validator(schema | {"components": SPEC["components"]}, format_checker=FormatChecker())


def form_as_object(pairs: list[tuple[str, str]], schema: dict[str, Any]) -> dict[str, Any]:
    """The form as the typed object the description speaks of; a repeated scalar is an error."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        kind = schema["properties"].get(name, {}).get("type")
        if kind == "array":
            fields.setdefault(name, []).append(value)
            continue
        assert name not in fields, f"{name} is sent twice"
        fields[name] = int(value) if kind == "integer" else value
    return fields


@asynccontextmanager
async def capturing_server() -> AsyncIterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    """A server that keeps (method, raw path, headers, body) of every request and answers 201."""
    captured: list[tuple[str, str, dict[str, str], bytes]] = []

    async def capture(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        captured.append((request.method, request.raw_path, headers, await request.read()))
        return web.json_response({"sid": MESSAGE_SID, "status": "queued", "num_segments": "1"}, status=201)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", capture)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}", captured
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("request_sent", REQUESTS)
async def test_the_request_fits_the_description(request_sent: SendRequest) -> None:
    async with capturing_server() as (url, captured):
        client = SendClient(url)
        await client.start()
        outcome = await client.send(request_sent)
        await client.close()
    assert isinstance(outcome, Accepted)
    ((method, path, headers, body),) = captured

    assert method == "POST"
    assert re.fullmatch(re.escape(PATH).replace(re.escape("{AccountSid}"), "([^/]+)"), path)
    (account_parameter,) = CREATE["parameters"]
    validator(account_parameter["schema"]).validate(path.split("/")[3])

    assert list(CREATE["requestBody"]["content"]) == [FORM_TYPE]
    assert headers["content-type"] == FORM_TYPE
    assert headers["authorization"].startswith("Basic ")

    schema = CREATE["requestBody"]["content"][FORM_TYPE]["schema"]
    pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    form = form_as_object(pairs, schema)
    validator(schema).validate(form)
    assert form.keys() <= schema["properties"].keys()
    assert form["To"] == request_sent.to
    assert form["From"] == request_sent.from_number
    assert form.get("Body", "") == request_sent.body
    assert form.get("MediaUrl", []) == list(request_sent.media_urls)


def test_the_description_would_catch_a_wrong_request() -> None:
    schema = CREATE["requestBody"]["content"][FORM_TYPE]["schema"]
    assert validator(schema).is_valid({"To": "+16025550123", "MediaUrl": ["https://x.example/"]})
    assert not validator(schema).is_valid({"From": "+16025550123"})
    assert not validator(schema).is_valid({"To": "+16025550123", "MediaUrl": "https://x.example/"})
    assert not validator(schema).is_valid({"To": "+16025550123", "ValidityPeriod": "soon"})
    assert "to" not in schema["properties"]


def test_the_reduced_description_has_shapes_and_no_prose() -> None:
    def keys(node: Any, *, data: bool = False) -> set[str]:
        if isinstance(node, list):
            return {key for item in node for key in keys(item)}
        if not isinstance(node, dict):
            return set()
        own = set() if data else set(node)
        return own | {
            key for name, child in node.items() for key in keys(child, data=name in {"properties", "schemas"})
        }

    assert not keys(SPEC) & {"description", "summary", "example", "examples"}
    for reference in re.findall(r"#/components/schemas/([^\"]+)", json.dumps(SPEC)):
        assert reference in SPEC["components"]["schemas"]

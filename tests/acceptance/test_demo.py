"""`ringfence demo` as a newcomer meets it: from an empty folder to a reply in its conversation, and away again."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.factories.waiting import eventually

CUSTOMER = "+16025550131"
STARTS_WITHIN = 180.0


class Demo:
    """A running demo and what it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, output: Path) -> None:
        self.process = process
        self.folder = folder
        self.output = output
        self.facts: dict[str, Any] = {}

    @property
    def screen(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def children(self) -> list[psutil.Process]:
        """Every process below it, the database server's too (which has left the family)."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        cluster = str(self.folder)
        servers = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "postgres" and _serves(p, cluster)]
        return [*family, *servers]


def _serves(process: psutil.Process, folder: str) -> bool:
    try:
        return process.cwd().startswith(folder)
    except psutil.Error:
        return False


@asynccontextmanager
async def running_demo(folder: Path) -> AsyncIterator[Demo]:
    output = folder.with_suffix(".out")
    with output.open("wb") as screen:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ringfence", "demo", "--port", "0", "--data", str(folder)),
            env={name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=screen,
            stderr=screen,
        )
    demo = Demo(process, folder, output)
    try:
        ready = folder / "demo.json"

        async def is_ready() -> bool:
            assert process.returncode is None, demo.screen
            return ready.exists()

        await eventually(is_ready, within=STARTS_WITHIN)
        assert stat.S_IMODE(ready.stat().st_mode) == 0o600
        demo.facts = json.loads(ready.read_text(encoding="utf-8"))
        yield demo
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def refused(*arguments: str) -> str:
    """The one line that a demo which cannot start writes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ringfence", "demo", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 2
    lines = said.decode().strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


async def test_two_companies_text_through_one_server(tmp_path: Path) -> None:
    """A text of company A arrives on a phone, the reply is in A's conversation, and B finds it nowhere."""
    folder = tmp_path / "demo"
    async with running_demo(folder) as demo:
        a, b = demo.facts["companies"]
        async with (
            httpx.AsyncClient(base_url=demo.facts["base_url"], timeout=30) as api,
            httpx.AsyncClient(base_url=demo.facts["emulator_url"], timeout=30) as twilio,
        ):
            await _text_and_reply(api, twilio, a, b)
            await _everybody_can_log_in(api, demo.facts)
        with psycopg.connect(demo.facts["database_url"]) as administrator:
            assert administrator.execute("SELECT count(*) FROM companies").fetchone() == (2,)
        assert all(str(secret) in demo.screen for secret in (a["api_key"], demo.facts["platform_user"]["password"]))
        first, children = demo.facts, demo.children()
        assert len(children) > 3
        demo.process.send_signal(signal.SIGINT)
        assert await demo.process.wait() == 0
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not (folder / "demo.json").exists()
    assert "Traceback" not in demo.screen

    async with running_demo(folder) as again:
        kept = ("companies", "platform_user")
        assert {name: again.facts[name] for name in kept} == {name: first[name] for name in kept}
        async with httpx.AsyncClient(base_url=again.facts["base_url"], timeout=30) as api:
            thread = await _get(api, a, "/api/sms/messages?limit=200")
            assert "Hello from the demo" in {item["body"] for item in thread["items"]}
        # The emulator began anew, and its numbers point at the new address already.
        async with httpx.AsyncClient(base_url=again.facts["emulator_url"], timeout=30) as twilio:
            accounts = (await twilio.get("/emulator/accounts")).json()["accounts"]
        urls = {number["sms_url"] for account in accounts for number in account["numbers"]}
        assert urls
        assert all(url.startswith(again.facts["base_url"] + "/webhooks/twilio/") for url in urls)


async def _text_and_reply(
    api: httpx.AsyncClient, twilio: httpx.AsyncClient, a: dict[str, Any], b: dict[str, Any]
) -> None:
    sent = await api.post("/api/sms/send", json={"to": CUSTOMER, "body": "Hello from the demo"}, headers=_bearer(a))
    assert sent.status_code == 202, sent.text
    message = sent.json()

    async def is_delivered() -> bool:
        return (await _get(api, a, f"/api/sms/messages/{message['id']}"))["status"] == "delivered"

    await eventually(is_delivered, within=60)
    on_the_phone = (await twilio.get("/emulator/messages", params={"to": CUSTOMER})).json()["messages"]
    assert [text["body"] for text in on_the_phone] == ["Hello from the demo"]

    reply = {"account_sid": a["account_sid"], "from": CUSTOMER, "to": message["from_number"], "body": "canary-reply"}
    answered = (await twilio.post("/emulator/inbound", json=reply)).json()
    assert answered["webhook"]["status"] == 200
    thread = await _get(api, a, f"/api/sms/conversations/{message['conversation_id']}/messages")
    assert [item["body"] for item in thread["items"]][:2] == ["canary-reply", "Hello from the demo"]

    description = (await api.get("/openapi.json")).json()
    ids = {"conversation_id": message["conversation_id"], "message_id": message["id"]}
    asked = 0
    for path, methods in description["paths"].items():
        if "get" not in methods or path.startswith(("/api/events", "/metrics")):
            continue
        filled = re.sub(r"{(\w+)}", lambda slot: ids.get(slot[1], message["id"]), path)
        answer = await api.get(filled, headers=_bearer(b))
        assert not any(word in answer.text for word in ("canary-reply", "Hello from the demo", message["id"])), path
        asked += 1
    assert asked > 15


async def _everybody_can_log_in(api: httpx.AsyncClient, facts: dict[str, Any]) -> None:
    people = [user for company in facts["companies"] for user in company["users"]] + [facts["platform_user"]]
    for person in people:
        login = {"email": person["email"], "password": person["password"]}
        async with httpx.AsyncClient(base_url=facts["base_url"], timeout=30) as browser:
            answer = await browser.post("/api/auth/login", json=login)
            assert answer.status_code == 200, answer.text
            assert (await browser.get("/api/auth/me")).status_code == 200
    wrong = await api.post("/api/auth/login", json={"email": people[0]["email"], "password": "something else"})
    assert wrong.status_code == 401


async def _get(api: httpx.AsyncClient, company: dict[str, Any], path: str) -> dict[str, Any]:
    answer = await api.get(path, headers=_bearer(company))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _bearer(company: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {company['api_key']}"}


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert f"Port {port} cannot be used" in await refused("--port", str(port), "--data", str(tmp_path / "a"))
        other = await refused("--port", "0", "--emulator-port", str(port), "--data", str(tmp_path / "b"))
    assert "--emulator-port" in other


async def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")

    assert "cannot be written" in await refused("--port", "0", "--data", str(tmp_path / "file"))


@pytest.mark.parametrize("content", ["not json", "[]"])
async def test_a_damaged_state_is_one_clear_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content, encoding="utf-8")

    assert "state.json" in await refused("--port", "0", "--data", str(tmp_path))

"""Inbound webhooks per CPU second, each durable before its 200, beside a plain FastAPI route and a bare ASGI function.

    python -m benchmarks.inbound [--rounds 5] [--texts 1000]

The sides take turns in one run on one core; database and sender are on the other.
"""

import argparse
import asyncio
import itertools
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg

from benchmarks.dispatch import connect
from benchmarks.parts.machine import (
    MEASURED,
    database,
    machine,
    middle,
    process,
    said,
    server_version,
    tell,
    write,
)
from ringfence.providers.twilio.signature import expected_signature
from tests.factories.cluster import Database
from tests.factories.stage import SEEDS

SIDES = ("bare", "row", "ringfence")
AT_ONCE = 16
_sids = itertools.count(1)


def webhook(public_url: str, path: str) -> bytes:
    """One signed request, as Twilio would make it: a new text of one of many customers."""
    n = next(_sids)
    sid = f"SM{n:032x}"
    fields = {
        "ToCountry": "US",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": f"Is my appointment still on? {n}",
        "FromCountry": "US",
        "To": SEEDS[0].numbers[n % 4].phone_number,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": SEEDS[0].account_sid or "",
        "From": f"+1480555{n % 500:04}",
        "ApiVersion": "2010-04-01",
    }
    url = public_url + path
    signature = expected_signature(SEEDS[0].auth_token or "", url, list(fields.items()))
    body = urlencode(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nX-Twilio-Signature: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def deliver(public_url: str, requests: list[bytes], at_once: int = AT_ONCE) -> list[float]:
    """Send all requests over so many connections; the seconds each one waited for its 200."""
    host, port = urlsplit(public_url).hostname or "", urlsplit(public_url).port or 0
    left, waits = iter(requests), list[float]()

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for request in left:
            began = time.monotonic()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            waits.append(time.monotonic() - began)
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(at_once)))
    return sorted(waits)


def measure(rounds: int, texts: int) -> dict[str, Any]:
    with database() as target:
        asyncio.run(connect(target))
        with psycopg.connect(target.admin_url) as admin:
            row = admin.execute(
                "SELECT webhook_path FROM twilio_settings WHERE account_sid = %s", [SEEDS[0].account_sid]
            ).fetchone()
        assert row is not None
        path = f"/webhooks/twilio/{row[0]}/inbound"
        result: dict[str, Any] = {"machine": machine(server_version(target)), "rounds": []}
        for _ in range(rounds):
            result["rounds"].append({side: one_side(side, target, path, texts) for side in SIDES})
        with psycopg.connect(target.admin_url) as admin:
            (stored,) = admin.execute("SELECT count(*) FROM sms_messages").fetchone() or (0,)
        # Durable means that all of them are there.
        assert stored == rounds * (texts + 100), stored
    return result


def one_side(side: str, target: Database, path: str, texts: int) -> dict[str, Any]:
    urls = [target.admin_url, target.owner_url, target.app_url, target.platform_url]
    with process(MEASURED, "benchmarks.parts.receivers", side, *urls) as part:
        public_url = said(part)["public_url"]
        warm, requests = ([webhook(public_url, path) for _ in range(count)] for count in (100, texts))
        asyncio.run(deliver(public_url, warm))
        tell(part)
        before, began = said(part)["cpu_seconds"], time.monotonic()
        waits = asyncio.run(deliver(public_url, requests))
        seconds = time.monotonic() - began
        tell(part)
        used = said(part)["cpu_seconds"] - before
    return {
        "requests": texts,
        "seconds": seconds,
        "cpu_seconds": used,
        "p50_milliseconds": waits[len(waits) // 2] * 1000,
        "p99_milliseconds": waits[len(waits) * 99 // 100] * 1000,
    }


def table(result: dict[str, Any]) -> str:
    labels = {
        "bare": "bare ASGI, signature only, nothing stored",
        "row": "FastAPI, one INSERT per transaction",
        "ringfence": "Ringfence: text, conversation, consent, timeline",
    }
    rows = ["| | requests per CPU second | of bare | p50 ms | p99 ms |", "|---|---:|---:|---:|---:|"]
    each = {side: [r["requests"] / r["cpu_seconds"] for r in (one[side] for one in result["rounds"])] for side in SIDES}
    for side, label in labels.items():
        ratio = middle([ours / raw for ours, raw in zip(each[side], each["bare"], strict=True)])
        p50, p99 = (middle([one[side][f"{p}_milliseconds"] for one in result["rounds"]]) for p in ("p50", "p99"))
        rows.append(f"| {label} | {middle(each[side]):,.0f} | {ratio:.2f} | {p50:.0f} | {p99:.0f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=1000)
    options = parser.parse_args()
    result = measure(options.rounds, options.texts)
    command = f"python -m benchmarks.inbound --rounds {options.rounds} --texts {options.texts}"
    result = {"title": "Inbound webhooks per CPU second, durable before the 200", "command": command, **result}
    write("inbound", result, table(result))


if __name__ == "__main__":
    main()

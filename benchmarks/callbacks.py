"""Status callbacks per second, batched beside one transaction for each, and beside a bare ASGI function.

    python -m benchmarks.callbacks [--rounds 3] [--texts 1000] [--kept 1000000]

Three callbacks a text (sent, delivered, and delivered again, as Twilio may), shuffled, over a table that holds many
more texts. The sides take turns in one run on one core; database and sender are on the other.
"""

import argparse
import asyncio
import random
import time
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import psycopg

from benchmarks.dispatch import connect
from benchmarks.inbound import deliver
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
from ringfence.features.messages.actions.dispatching import CODE_PURPOSE
from ringfence.kit.keyring import Keyring
from ringfence.providers.twilio.signature import expected_signature
from tests.factories.cluster import Database
from tests.factories.stage import SECRET_KEY, SEEDS

SIDES = ("bare", "single", "ringfence")
AT_ONCE = 100
TEXTS = """
    INSERT INTO sms_messages (
        company_id, id, phone_number_id, direction, status, from_number, to_number, body, encoding, num_segments,
        source, created_at, updated_at
    )
    SELECT s.company_id, gen_random_uuid(), n.id, 'outbound', 'sending', n.phone_number,
           '+1480' || lpad((g %% 10000000)::text, 7, '0'), 'Your appointment is tomorrow at ten', 'GSM-7', 1, 'api',
           now(), now()
    FROM generate_series(1, %s) AS g
    CROSS JOIN (
        SELECT company_id FROM twilio_settings WHERE account_sid = %s
    ) AS s
    JOIN LATERAL (
        SELECT id, phone_number FROM phone_numbers WHERE company_id = s.company_id ORDER BY id LIMIT 1
    ) AS n ON true
    RETURNING company_id, id
"""


def fill(target: Database, kept: int) -> None:
    """Texts that nobody will ask about, so that the table has its size."""
    with psycopg.connect(target.admin_url) as admin:
        for done in range(0, kept, 100_000):
            count = min(100_000, kept - done)
            admin.execute(TEXTS.replace("RETURNING company_id, id", ""), (count, SEEDS[0].account_sid))
            admin.commit()
    with psycopg.connect(target.admin_url, autocommit=True) as admin:
        admin.execute("VACUUM ANALYZE sms_messages")


def callbacks(target: Database, public_url: str, path: str, texts: int) -> list[bytes]:
    """Signed requests about texts that are made for them."""
    keyring = Keyring([SECRET_KEY])
    with psycopg.connect(target.admin_url) as admin:
        rows: list[tuple[UUID, UUID]] = admin.execute(TEXTS, (texts, SEEDS[0].account_sid)).fetchall()
    made: list[bytes] = []
    for company_id, message_id in rows:
        code = keyring.sign(CODE_PURPOSE, str(company_id), str(message_id), "1")
        query = urlencode({"message_id": message_id, "attempt": 1, "code": code})
        url = f"{public_url}{path}?{query}"
        for word in ("sent", "delivered", "delivered"):
            fields = {
                "MessageSid": f"SM{message_id.hex}",
                "SmsSid": f"SM{message_id.hex}",
                "MessageStatus": word,
                "SmsStatus": word,
                "AccountSid": SEEDS[0].account_sid or "",
                "From": SEEDS[0].numbers[0].phone_number,
                "To": "+14805550100",
                "ApiVersion": "2010-04-01",
            }
            signature = expected_signature(SEEDS[0].auth_token or "", url, list(fields.items()))
            body = urlencode(fields)
            head = (
                f"POST {path}?{query} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nX-Twilio-Signature: {signature}\r\n"
                "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            made.append((head + body).encode())
    random.Random(7).shuffle(made)
    return made


def measure(rounds: int, texts: int, kept: int) -> dict[str, Any]:
    with database() as target:
        asyncio.run(connect(target))
        fill(target, kept)
        with psycopg.connect(target.admin_url) as admin:
            row = admin.execute(
                "SELECT webhook_path FROM twilio_settings WHERE account_sid = %s", [SEEDS[0].account_sid]
            ).fetchone()
        assert row is not None
        path = f"/webhooks/twilio/{row[0]}/status"
        result: dict[str, Any] = {"machine": machine(server_version(target)), "rounds": []}
        for _ in range(rounds):
            result["rounds"].append({side: one_side(side, target, path, texts) for side in SIDES})
        with psycopg.connect(target.admin_url) as admin:
            (delivered,) = admin.execute("SELECT count(*) FROM sms_messages WHERE status = 'delivered'").fetchone() or (
                0,
            )
        # Durable means that all of them are there; the bare side stores nothing.
        assert delivered == rounds * (len(SIDES) - 1) * (texts + 50), delivered
    return result


def one_side(side: str, target: Database, path: str, texts: int) -> dict[str, Any]:
    urls = [target.admin_url, target.owner_url, target.app_url, target.platform_url]
    with process(MEASURED, "benchmarks.parts.receivers", side, *urls) as part:
        public_url = said(part)["public_url"]
        warm, requests = (callbacks(target, public_url, path, count) for count in (50, texts))
        asyncio.run(deliver(public_url, warm, AT_ONCE))
        tell(part)
        before, began = said(part)["cpu_seconds"], time.monotonic()
        waits = asyncio.run(deliver(public_url, requests, AT_ONCE))
        seconds = time.monotonic() - began
        tell(part)
        used = said(part)["cpu_seconds"] - before
    return {
        "requests": len(requests),
        "seconds": seconds,
        "cpu_seconds": used,
        "p50_milliseconds": waits[len(waits) // 2] * 1000,
        "p99_milliseconds": waits[len(waits) * 99 // 100] * 1000,
    }


def table(result: dict[str, Any]) -> str:
    labels = {
        "bare": "bare ASGI, signature only, nothing stored",
        "single": "Ringfence, one transaction per callback",
        "ringfence": "Ringfence, batched",
    }
    rows = [
        "| | callbacks a second | per CPU second | of one per transaction | p50 ms | p99 ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rounds = result["rounds"]
    each = {side: [one[side]["requests"] / one[side]["cpu_seconds"] for one in rounds] for side in SIDES}
    for side, label in labels.items():
        ratio = middle([ours / single for ours, single in zip(each[side], each["single"], strict=True)])
        second = middle([one[side]["requests"] / one[side]["seconds"] for one in rounds])
        p50, p99 = (middle([one[side][f"{p}_milliseconds"] for one in rounds]) for p in ("p50", "p99"))
        rows.append(f"| {label} | {second:,.0f} | {middle(each[side]):,.0f} | {ratio:.2f} | {p50:.0f} | {p99:.0f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--kept", type=int, default=1_000_000)
    options = parser.parse_args()
    result = measure(options.rounds, options.texts, options.kept)
    command = f"python -m benchmarks.callbacks --rounds {options.rounds} --texts {options.texts} --kept {options.kept}"
    result = {"title": "Status callbacks, durable before the 200", "command": command, **result}
    write("callbacks", result, table(result))


if __name__ == "__main__":
    main()

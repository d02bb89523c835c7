"""The servers of the benchmarks of webhooks, each run as a part on the measured core.

`ringfence`: the product's own door, with everything it does before the 200 (signature, number, contact, consent,
conversation, text, timeline). `single`: the same door, with a transaction for each status callback. `row`: a FastAPI
route that checks the signature and inserts one row in a transaction of its own. `bare`: an ASGI function that checks
the signature and nothing else: what no durable server can reach.
"""

import asyncio
import json
import resource
import socket
import sys
from typing import Any
from urllib.parse import parse_qsl

import psycopg_pool
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

from ringfence.api.app import create_app
from ringfence.api.serve import application
from ringfence.features.messages.actions.callback_intake import CallbackIntake
from ringfence.providers.twilio.signature import is_valid_signature
from ringfence.web import logs
from tests.factories.cluster import Database
from tests.factories.stage import SEEDS, build_runtime

TOKEN = SEEDS[0].auth_token or ""
TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


def is_genuine(url: str, headers: Any, body: bytes) -> dict[str, str] | None:
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    header = headers.get("x-twilio-signature")
    return dict(pairs) if is_valid_signature(token=TOKEN, url=url, params=pairs, header=header) else None


def bare(public_url: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        url = public_url + scope["path"] + (f"?{query}" if query else "")
        genuine = is_genuine(url, headers, body)
        status = 403 if genuine is None else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"52")]})
        await send({"type": "http.response.body", "body": TWIML.ljust(52)})

    return app


def row(public_url: str, pool: psycopg_pool.AsyncConnectionPool[Any]) -> FastAPI:
    app = FastAPI()

    @app.post("/{path:path}")
    async def inbound(request: Request, path: str) -> Response:
        body = await request.body()
        values = is_genuine(f"{public_url}/{path}", request.headers, body)
        if values is None:
            return Response(status_code=403)
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO bench_inbound (sid, parameters) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (values["MessageSid"], json.dumps(values)),
            )
        return Response(TWIML, media_type="text/xml")

    return app


async def main() -> None:
    side, *urls = sys.argv[1:]
    logs.configure(level="error", style="json")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    public_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    database = Database("bench", *urls)
    runtime = build_runtime(database, public_url, "http://127.0.0.1:1")
    pool = psycopg_pool.AsyncConnectionPool(database.admin_url, min_size=10, max_size=10, open=False)
    app: Any = application(runtime) if side == "ringfence" else bare(public_url)
    if side == "single":
        app = create_app(*runtime.services, CallbackIntake(runtime.tenancy, runtime.keyring, most_at_once=1))
    if side == "row":
        await pool.open()
        async with pool.connection() as connection:
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS bench_inbound (sid text PRIMARY KEY, parameters jsonb)"
            )
        app = row(public_url, pool)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", backlog=1024)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    print(json.dumps({"public_url": public_url}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu_seconds": used.ru_utime + used.ru_stime}), flush=True)
    server.should_exit = True
    await running
    await pool.close()
    await runtime.close()


if __name__ == "__main__":
    uvloop.run(main())

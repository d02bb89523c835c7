"""The cheapest server that a text can be POSTed to: it reads a request, waits, and answers 201 with a SID.

Run as a part: prints its port, then for each line of input (`{"latency": seconds}`) how many requests it answered
since the last one, and when: the first, and each tenth of them.
"""

import asyncio
import itertools
import json
import sys
import time
from typing import Any, cast

import uvloop

HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Twilio:
    """What all connections share."""

    latency = 0.0
    numbers = itertools.count(1)
    times: list[float] = []  # noqa: RUF012 - one object in this process


class Answering(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no asyncio class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            start = head.index(b"content-length:") + 15
            length = int(head[start : (head + b"\r\n").index(b"\r\n", start)])
            if len(self._buffer) < end + 4 + length:
                return
            account = self._buffer[: self._buffer.index(b"/Messages")].rpartition(b"/")[2].decode()
            self._buffer = self._buffer[end + 4 + length :]
            if Twilio.latency:
                asyncio.get_running_loop().call_later(Twilio.latency, self._answer, account)
            else:
                self._answer(account)

    def _answer(self, account: str) -> None:
        sid = f"SM{next(Twilio.numbers):032x}"
        Twilio.times.append(time.monotonic())
        body = json.dumps(
            {"sid": sid, "account_sid": account, "status": "queued", "num_segments": "1", "error_code": None}
        ).encode()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(HEAD % len(body) + body)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=2048)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order: dict[str, Any] = json.loads(line)
        times, Twilio.times = Twilio.times, []
        Twilio.latency = order["latency"]
        print(json.dumps({"answered": len(times), "times": times[:: max(1, len(times) // 20)]}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())

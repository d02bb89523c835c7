"""The emulator as a process of its own."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ringfence.emulator.mailbox import Mailbox
from ringfence.emulator.seeds import AccountSeed, read_seeds
from ringfence.emulator.server import LOOPBACK, Emulator


async def serve(
    emulator: Emulator,
    *,
    host: str,
    port: int,
    mailbox: Mailbox | None = None,
    smtp_port: int = 0,
    ready_file: Path | None = None,
) -> None:
    """Run until SIGINT or SIGTERM.

    `ready_file` is written when requests are answered, with `base_url`, `smtp_url` (null without a mailbox), `pid`
    and the accounts' `sid`, `auth_token` and `phone_numbers`; only its owner can read it, and it is removed at the
    end. Raises OSError if a port is taken or the file cannot be written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await emulator.start(host, port)
    try:
        if mailbox is not None:
            await mailbox.start(host, smtp_port)
        if ready_file is not None:
            _write_ready(ready_file, emulator, mailbox)
        print(f"emulator listening on {emulator.base_url}", flush=True)  # noqa: T201 - what a person started it to see
        await stop.wait()
    finally:
        _remove_ready(ready_file)
        if mailbox is not None:
            await mailbox.stop()
        await emulator.stop()


def _remove_ready(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _write_ready(path: Path, emulator: Emulator, mailbox: Mailbox | None) -> None:
    facts = {
        "base_url": emulator.base_url,
        "smtp_url": mailbox.url if mailbox else None,
        "pid": os.getpid(),
        "accounts": emulator.accounts(),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # Written aside and moved, so that who waits for the file never reads half of it.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)
    temporary.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    options = _parser().parse_args(arguments, namespace=_Options())
    try:
        accounts: list[AccountSeed] = read_seeds(options.accounts) if options.accounts else []
        mailbox = None if options.smtp_port is None else Mailbox()
        emulator = Emulator(
            accounts,
            seed=options.seed,
            allowed_hosts=LOOPBACK | frozenset(options.allow_host),
            mailbox=mailbox,
        )
        asyncio.run(
            serve(
                emulator,
                host=options.host,
                port=options.port,
                mailbox=mailbox,
                smtp_port=options.smtp_port or 0,
                ready_file=options.ready_file,
            )
        )
    except (OSError, ValueError) as error:
        print(f"emulator: {error}", file=sys.stderr)  # noqa: T201 - the one line that says why it did not start
        return 1
    return 0


class _Options(argparse.Namespace):
    host: str
    port: int
    smtp_port: int | None
    accounts: Path | None
    ready_file: Path | None
    seed: int | None
    allow_host: list[str]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ringfence.emulator", description="A local Twilio.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 picks a free one (default)")
    parser.add_argument("--smtp-port", type=int, help="also run a mailbox here; 0 picks a free port (default: none)")
    parser.add_argument("--accounts", type=Path, help="JSON file: a list of accounts with numbers")
    parser.add_argument("--ready-file", type=Path, help="written when requests are answered")
    parser.add_argument("--seed", type=int, help="same SIDs and delays every run, for tests")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        help="another host that webhooks may go to (repeatable; loopback always may)",
    )
    return parser

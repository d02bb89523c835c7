"""Runs the curl lines of a page of docs/howto against the application, so that no page shows what does not work.

Understood: `$ curl …` and `$ NAME=$(curl … | jq -r .field)` in `console` blocks, with -s, -X, -H, --json, -F and -o,
and -b and -c for the cookies, which the client keeps by itself.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CAPTURE = re.compile(r"^([A-Z]+)=\$\((.*) \| jq -r \.([a-z_]+)\)$")


def lines_of(page: str) -> Iterator[str]:
    """The commands of a page, whole ones: a line that ends in a backslash goes on."""
    for block in _BLOCK.findall((ROOT / "docs" / "howto" / page).read_text(encoding="utf-8")):
        for line in block.replace("\\\n", "").splitlines():
            if line.startswith("$ "):
                yield line.removeprefix("$ ").strip()


async def run_page(page: str, client: httpx.AsyncClient, values: Mapping[str, str], folder: Path) -> list[str]:
    """Run every command, which must succeed; the commands. `folder` is where it stands when it names files."""
    known = dict(values)
    done: list[str] = []
    for line in lines_of(page):
        await run_line(line, client, known, folder)
        done.append(line)
    return done


async def run_line(line: str, client: httpx.AsyncClient, known: dict[str, str], folder: Path) -> None:
    """Run one command, which must succeed; what it captures becomes `known`."""
    captured = _CAPTURE.match(line)
    command = captured.group(2) if captured else line
    answer = await _curl(client, re.sub(r"\$([A-Z]+)", lambda found: known[found.group(1)], command), folder)
    assert answer.is_success, f"{line}\n{answer.status_code} {answer.text}"
    if captured:
        known[captured.group(1)] = str(answer.json()[captured.group(3)])


def _without(words: list[str]) -> list[str]:
    """The words of a command without -s, and without -b and -c and their file."""
    given = iter(words)
    kept: list[str] = []
    for word in given:
        if word in {"-b", "-c"}:
            next(given)
        elif word != "-s":
            kept.append(word)
    return kept


async def _curl(client: httpx.AsyncClient, command: str, folder: Path) -> httpx.Response:
    words = shlex.split(command)
    assert words.pop(0) == "curl", command
    request: dict[str, Any] = {"headers": {}}
    method = url = output = None
    form: dict[str, str] = {}
    words = _without(words)
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(":")
            request["headers"][name] = value.strip()
        elif word == "--json":
            request["content"] = words.pop(0).encode()
            request["headers"]["Content-Type"] = "application/json"
        elif word == "-F":
            name, _, value = words.pop(0).partition("=")
            if value.startswith("@"):
                request.setdefault("files", {})[name] = (value[1:], (folder / value[1:]).read_bytes())
            else:
                form[name] = value
        elif word == "-o":
            output = words.pop(0)
        else:
            assert url is None, f"not understood: {word}"
            url = word
    if form:
        request["data"] = form
    method = method or ("POST" if request.keys() & {"content", "files"} else "GET")
    assert url is not None
    answer = await client.request(method, url, **request)
    if output:
        (folder / output).write_bytes(answer.content)
    return answer

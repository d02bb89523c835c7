"""Makes twilio_api_trimmed.json from a full `twilio_api_v2010.json` of github.com/twilio/twilio-oai.

    python tests/conformance/trim_twilio_api.py path/to/twilio_api_v2010.json

What stays: paths, parameters, request and response shapes of the resources this product uses, and the
schemas they refer to. What goes: every other path and all prose (descriptions, summaries, examples).
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

KEPT_PATHS = re.compile(
    r"/2010-04-01/Accounts(/\{Sid\})?\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/Messages(/\{Sid\})?\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/Messages/\{MessageSid\}/Media(/\{Sid\})?\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/IncomingPhoneNumbers(/\{Sid\}|/Local|/Mobile|/TollFree)?\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/Calls(/\{Sid\})?\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/Calls/\{CallSid\}/Recordings\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/Recordings(/\{Sid\})?\.json"
    r"|/2010-04-01/Accounts/\{AccountSid\}/AvailablePhoneNumbers(/\{CountryCode\}(/Local|/Mobile|/TollFree)?)?\.json"
)
PROSE = {"description", "summary", "example", "examples", "x-twilio", "tags", "externalDocs"}
ORIGIN = "https://github.com/twilio/twilio-oai commit d50069b44ea8cd23141385bdb6db48f16ff75bb5, reduced"


def without_prose(node: Any, *, names_are_data: bool = False) -> Any:
    """A copy without prose keys; under `properties` and the like a key is a field's name, so it stays."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_prose(value, names_are_data=key in {"properties", "schemas"} and not names_are_data)
        for key, value in node.items()
        if names_are_data or key not in PROSE
    }


def referred_schemas(node: Any) -> set[str]:
    """The names of every component schema a part of the description points at."""
    text = json.dumps(node)
    return set(re.findall(r'"#/components/schemas/([^"]+)"', text))


def trimmed(full: dict[str, Any]) -> dict[str, Any]:
    """The reduced description."""
    paths = {path: item for path, item in full["paths"].items() if KEPT_PATHS.fullmatch(path)}
    paths = without_prose(paths, names_are_data=True)
    kept: dict[str, Any] = {}
    waiting = referred_schemas(paths)
    while waiting:
        name = waiting.pop()
        kept[name] = without_prose(full["components"]["schemas"][name])
        waiting |= referred_schemas(kept[name]) - kept.keys()
    return {
        "openapi": full["openapi"],
        "info": {
            "title": full["info"]["title"],
            "version": full["info"]["version"],
            "license": full["info"]["license"],
            "x-origin": ORIGIN,
        },
        "servers": without_prose(full["servers"]),
        "security": full["security"],
        "paths": paths,
        "components": {
            "securitySchemes": full["components"]["securitySchemes"],
            "schemas": dict(sorted(kept.items())),
        },
    }


if __name__ == "__main__":
    source = json.loads(Path(sys.argv[1]).read_text())
    target = Path(__file__).with_name("twilio_api_trimmed.json")
    target.write_text(json.dumps(trimmed(source), indent=1, sort_keys=True, ensure_ascii=False) + "\n")

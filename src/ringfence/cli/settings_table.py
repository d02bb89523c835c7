"""Writes the reference of all settings: `python -m ringfence.cli.settings_table > docs/reference/settings.md`."""

import sys
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from ringfence.settings import PREFIX, Settings

_HEAD = """# Settings

Environment variables, read once when a command starts. This table is generated from the code (`make docs`).

| variable | default | meaning |
|---|---|---|
"""


def settings_table() -> str:
    """The page as Markdown."""
    rows = (
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description or ''} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _HEAD + "".join(rows)


def _default(field: FieldInfo) -> str:
    value: object = field.default
    if value is None or value == ():
        return "–"
    if isinstance(value, SecretStr) or SecretStr in get_args(field.annotation):
        return "hidden"
    return f"`{value.as_posix() if isinstance(value, Path) else value}`"


if __name__ == "__main__":
    sys.stdout.write(settings_table())

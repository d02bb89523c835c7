"""import-linter's contracts hold, and each of them notices a fault that is planted for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = "Floors"
ROOMS = "Rooms"
SHELVES = "Shelves"
CYCLES = "No cycles"
SDK = "The Twilio SDK"
SQL = "SQL stands"
SETTINGS = "Settings are read"
GROUND = "The ground"
HTTP = "Behind the routes"
EMULATOR = "The emulator"
COMMAND = "Only a command"

FAULTS = [
    pytest.param("kit/clock.py", "from ringfence.errors import RingfenceError", FLOORS, id="upward import"),
    pytest.param("utils.py", "", FLOORS, id="something beside the floors"),
    pytest.param("web/paging.py", "from ringfence.jobqueue import queue", FLOORS, id="across a floor"),
    pytest.param(
        "features/contacts/actions.py", "from ringfence.features.messages import model", ROOMS, id="upper room"
    ),
    pytest.param(
        "features/contacts/actions.py",
        "def late():\n    from ringfence.features.messages import model",
        ROOMS,
        id="hidden in a function",
    ),
    pytest.param(
        "features/contacts/actions.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ringfence.features.messages import model",
        ROOMS,
        id="for the type checker only",
    ),
    pytest.param("features/voicemail/__init__.py", "", ROOMS, id="unlisted room"),
    pytest.param(
        "features/contacts/queries.py", "from ringfence.features.contacts import actions", SHELVES, id="writing query"
    ),
    pytest.param("features/contacts/helpers.py", "", SHELVES, id="unlisted shelf"),
    pytest.param("kit/secret.py", "from ringfence.kit import keyring", CYCLES, id="cycle"),
    pytest.param("features/contacts/actions.py", "from twilio.rest import Client", SDK, id="SDK in an action"),
    pytest.param("features/contacts/routes.py", "from sqlalchemy import select", SQL, id="SQL in a route"),
    pytest.param(
        "features/contacts/actions.py", "from ringfence.settings import Settings", SETTINGS, id="settings in a room"
    ),
    pytest.param("tenancy/sessions.py", "from starlette.requests import Request", GROUND, id="request in the fence"),
    pytest.param("features/contacts/actions.py", "from fastapi import Request", HTTP, id="request in an action"),
    pytest.param("emulator/sids.py", "from ringfence.errors import RingfenceError", EMULATOR, id="emulator looks up"),
    pytest.param("api/app.py", "from ringfence.emulator import Emulator", COMMAND, id="emulator in the product"),
]


def lint(source: Path, config: Path, cache: Path) -> tuple[bool, set[str]]:
    """Whether all contracts are kept, and the first words of those that are broken."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--config", config, "--cache-dir", cache],
        env={"PYTHONPATH": str(source), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = {line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")}
    assert " KEPT" in done.stdout, done.stdout + done.stderr
    return done.returncode == 0, broken


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts-cache")


def test_contracts_hold_on_the_tree(cache: Path) -> None:
    assert lint(ROOT / "src", ROOT / "pyproject.toml", cache) == (True, set())


@pytest.mark.parametrize(("file", "fault", "contract"), FAULTS)
def test_a_planted_fault_breaks_its_contract(tmp_path: Path, cache: Path, file: str, fault: str, contract: str) -> None:
    shutil.copytree(ROOT / "src" / "ringfence", tmp_path / "ringfence", ignore=shutil.ignore_patterns("__pycache__"))
    planted = tmp_path / "ringfence" / file
    planted.parent.mkdir(exist_ok=True)
    before = planted.read_text() if planted.exists() else ""
    planted.write_text(f"{before}\n{fault}\n")

    kept, broken = lint(tmp_path, ROOT / "pyproject.toml", cache)

    assert not kept
    assert any(name.startswith(contract) for name in broken), broken

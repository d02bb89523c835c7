"""The units are what systemd understands, and leave a process little to do harm with."""

import re
import subprocess
from pathlib import Path

import pytest

from ringfence.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "systemd"
COMMAND = "/opt/ringfence/.venv/bin/ringfence"
INSTANCES = {
    "ringfence-serve@.service": "ringfence-serve@8001.service",
    "ringfence-work@.service": "ringfence-work@1.service",
}


def installed(folder: Path, change: tuple[str, str] = ("", "")) -> list[str]:
    """The units as they lie on a server, with the command that is here."""
    (folder / "ringfence").write_text("#!/bin/sh\n")
    (folder / "ringfence").chmod(0o755)
    paths: list[str] = []
    for name, instance in INSTANCES.items():
        text = (DEPLOY / name).read_text(encoding="utf-8")
        assert COMMAND in text
        (folder / instance).write_text(text.replace(COMMAND, str(folder / "ringfence")).replace(*change))
        paths.append(str(folder / instance))
    return paths


def analyze(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    code, said = analyze("verify", "--man=no", *installed(tmp_path))
    ours = [line for line in said.splitlines() if "ringfence" in line]
    assert (code, ours) == (0, []), said


def test_a_line_that_it_does_not_understand_is_noticed(tmp_path: Path) -> None:
    _, said = analyze("verify", "--man=no", *installed(tmp_path, ("ProtectHome=yes", "ProtectHouse=yes")))
    assert "ProtectHouse" in said


def test_the_services_are_fenced_in(tmp_path: Path) -> None:
    for unit in installed(tmp_path):
        code, said = analyze("security", "--offline=true", "--threshold=20", "--no-pager", unit)
        assert code == 0, said
    for unit in installed(tmp_path, ("NoNewPrivileges=yes\nCapabilityBoundingSet=\n", "")):
        code, _ = analyze("security", "--offline=true", "--threshold=20", "--no-pager", unit)
        assert code != 0


@pytest.mark.parametrize("name", [*INSTANCES, "ringfence.env.example"])
def test_only_settings_that_exist_are_set(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    named = set(re.findall(r"\bRINGFENCE_([A-Z_]+)=", text)) - {"DATABASE_URL"}
    assert named
    assert named <= {field.upper() for field in Settings.model_fields}

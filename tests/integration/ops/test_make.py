"""The ways in: make's commands, the set-up's refusals, and locks that hold hashes and no addresses."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("bash", "env", "cat", "cut", "dirname", "sha256sum", "rm")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder for PATH with a few tools and no Python, beside a copy of what the set-up reads."""
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def set_up(machine: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine / "bin")}
    return subprocess.run([machine / "scripts/setup"], env=environment, capture_output=True, text=True, check=False)


def python(machine: Path, name: str, body: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    path.chmod(0o755)


def test_without_python_the_set_up_says_what_is_needed(machine: Path) -> None:
    python(machine, "python3", "exit 1")  # as Python 3.9 answers the question for its version
    python(machine, "python3.12", "echo not installed >&2; exit 127")  # as a stand-in answers anything

    done = set_up(machine)

    assert done.returncode != 0
    assert done.stderr.splitlines() == [
        "Python 3.11 or newer is needed and was not found as python3.13, python3.12, python3.11 or python3."
    ]


def test_a_python_without_venv_is_named_with_the_fix(machine: Path) -> None:
    python(machine, "python3.11", 'case "$2" in *ensurepip*) exit 1 ;; esac')

    done = set_up(machine)

    assert done.returncode != 0
    assert "apt-get install python3.11-venv" in done.stderr


def test_a_current_environment_is_left_alone(machine: Path) -> None:
    """With the mark of these very requirements nothing is run but Python itself, to see that it is there."""
    (machine / ".venv" / "bin").mkdir(parents=True)
    python(machine, "../.venv/bin/python", "echo touched; exit 1")
    command = "cat requirements/dev.txt pyproject.toml scripts/setup | sha256sum | cut -d' ' -f1"
    mark = subprocess.run(["bash", "-c", command], cwd=machine, capture_output=True, text=True, check=True).stdout
    (machine / ".venv" / "ringfence-setup").write_text(mark)

    done = set_up(machine)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_lists_the_commands() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)

    listed = re.findall(r"^  make (\w+) ", done.stdout, re.M)
    assert {"help", "demo", "test", "check", "bench", "soak", "lock", "clean"} <= set(listed)


@pytest.mark.parametrize("name", ["base.txt", "dev.txt"])
def test_locks_hold_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    pinned = re.findall(r"^[a-z0-9_.-]+(?:\[[a-z,]+\])?==", text, re.M | re.I)

    assert "://" not in text
    assert len(pinned) > 30
    assert text.count("--hash=sha256:") >= len(pinned)


def test_scripts_can_be_run() -> None:
    for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run", ROOT / "requirements" / "lock.sh"]:
        assert os.access(path, os.X_OK), path

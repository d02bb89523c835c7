"""No file and no function grows out of sight."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ringfence"
FILE_LINES = 400
FUNCTION_LINES = 70
EXEMPT = {"migrations/versions": "a migration is written once and never grows"}


def too_long(source: Path) -> list[str]:
    """What is over a limit below a folder."""
    found: list[str] = []
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source).as_posix()
        if any(name.startswith(folder) for folder in EXEMPT):
            continue
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_LINES:
            found.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    found.append(f"{name}: {node.name} has {length} lines")
    return found


def test_sources_stay_short() -> None:
    assert too_long(SOURCE) == []


@pytest.mark.parametrize(
    "text",
    ["\n" * (FILE_LINES + 1), "def long() -> None:\n" + "    print()\n" * FUNCTION_LINES],
    ids=["file", "function"],
)
def test_what_is_too_long_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "long.py").write_text(text)
    (tmp_path / "short.py").write_text("def short() -> None:\n    pass\n")

    [problem] = too_long(tmp_path)

    assert problem.startswith("long.py")

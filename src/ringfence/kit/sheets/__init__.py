"""Tables that people made somewhere, read row by row: text with separators, and Excel's XLSX.

Blocking, for threads. Nothing here keeps more than one record in memory, however long the file is (a spreadsheet's
table of strings excepted, which is bounded).
"""

from typing import Final, NamedTuple

MOST_COLUMNS: Final = 200


class UnreadableSheetError(ValueError):
    """A file cannot be read: `code` is stable, the message is one sentence for people that says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Record(NamedTuple):
    """One record of a file: the line (or spreadsheet row) it begins in, from 1, its cells, or why it has none."""

    line: int
    cells: list[str]
    problem: str | None = None

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands in it."""
        return self.problem is None and not any(cell and not cell.isspace() for cell in self.cells)


def plain_cell(cell: str) -> str:
    """What a cell says, without blanks around it and the apostrophe that keeps a spreadsheet from computing."""
    trimmed = cell.strip()
    return trimmed[1:].strip() if trimmed[:1] == "'" and trimmed[1:2] in {"=", "+", "-", "@"} else trimmed

"""CSV and its relatives: which encoding, which separator, which records."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from ringfence.kit.sheets import Record, UnreadableSheetError

_UNICODE: Final = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")
_WESTERN: Final = ("cp1252", "latin-1", "mac_roman", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256")
_EASTERN: Final = ("cp1257", "cp1258", "koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr")
ENCODINGS: Final = (*_UNICODE, *_WESTERN, *_EASTERN)
SEPARATORS: Final = (",", ";", "\t", "|")
_CHUNK: Final = 1 << 16
_SAMPLE: Final = 50
# With all its cells a record is in memory, and a file can be one line of separators.
_MOST_OF_RECORD: Final = 5_000_000


def choose_encoding(path: Path, told: str | None) -> str:
    """The encoding that was told, else the one that fits: by its mark, as UTF-8, or else as Windows writes it.

    Raises UnreadableSheetError `unreadable_encoding` if the file is not in it, which takes reading all of it.
    """
    encoding = told or _guess_encoding(path)
    if not _decodes(path, encoding):
        raise UnreadableSheetError(
            "unreadable_encoding", f"The file is not {encoding}; save it as UTF-8, or say which encoding it has."
        )
    return encoding


def guess_separator(path: Path, encoding: str) -> str:
    """The separator that cuts the first records into the same number of cells most often, and into most cells."""
    best = (0, 0, SEPARATORS[0])
    for separator in SEPARATORS:
        records = read_delimited(path, encoding=encoding, separator=separator)
        counts = Counter(len(record.cells) for record, _ in zip(records, range(_SAMPLE), strict=False))
        widths = [(times, cells) for cells, times in counts.items() if cells > 1]
        if widths:
            times, cells = max(widths)
            if (times, cells) > best[:2]:
                best = (times, cells, separator)
    return best[2]


def read_delimited(path: Path, *, encoding: str, separator: str) -> Iterator[Record]:
    """The records that hold anything, in order. The file is opened when the first one is asked for.

    Raises UnreadableSheetError `row_too_long`.
    """
    with path.open(encoding=encoding, newline="") as file:
        # Strict: else a quote that never ends would make one long cell of the rows after it, and nobody would know.
        room = _Room()
        reader = csv.reader(_lines(file, room), delimiter=separator, strict=True)
        before = 0
        while True:
            try:
                for cells in reader:
                    room.characters = _MOST_OF_RECORD
                    line, before = before + 1, reader.line_num
                    # A first cell says enough mostly, and looking at each cell of each row costs more than reading it.
                    if (cells and cells[0] and not cells[0].isspace()) or not Record(line, cells).is_blank:
                        yield Record(line, cells)
            except csv.Error:
                room.characters = _MOST_OF_RECORD
                line, before = before + 1, reader.line_num
                where = f"lines {line} to {before}" if before > line else "it"
                yield Record(
                    line, [], f"{where} cannot be read as CSV: a quote is missing or stands in the wrong place"
                )
            else:
                return


@dataclass(slots=True)
class _Room:
    """How many characters more the record that is being read may have."""

    characters: int = _MOST_OF_RECORD


def _lines(file: TextIO, room: _Room) -> Iterator[str]:
    while line := file.readline(_MOST_OF_RECORD + 1):
        room.characters -= len(line)
        if room.characters < 0:
            raise UnreadableSheetError(
                "row_too_long", f"The file has a row of more than {_MOST_OF_RECORD} characters; is it a CSV file?"
            )
        yield line


def _guess_encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # ASCII letters in UTF-16 have a zero byte each; in other encodings a zero byte stands nowhere.
    if head[1::2].count(0) > len(head) // 8:
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 8:
        return "utf-16-be"
    return "utf-8" if _decodes(path, "utf-8") else "cp1252"


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True

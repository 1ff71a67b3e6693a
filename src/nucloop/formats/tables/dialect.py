"""How a table of text is written: what stands between its columns, how it writes fractions, what its columns are."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucloop.errors import DataError
from nucloop.formats.tables.names import Columns, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LONGEST_LINE", "MARK", "Dialect", "check_lines", "dialect_of", "metadata_line"]

MARK = b"# nucloop "
LONGEST_LINE = 1_000_000
_BETWEEN = ",;\t|"
_EXCEL = re.compile(r'\A"?sep=(.)"?[ \t;,]*\r?\n', re.I)
_LEAD = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)++")
"""Blank lines and remarks before the names."""
_COMMA_FRACTION = re.compile(r"\s*-?\d+,\d+\s*")
_MOST_COLUMNS = 1000
_MOST_SHOWN = 12
_SAMPLE = 65_536
_SNIFFED = 4096
_ROWS = 20


@dataclass(frozen=True)
class Dialect:
    """How one table is written."""

    delimiter: str
    decimal: str
    skipped: int
    """Lines before the first row."""
    width: int
    """How many columns there are, with those behind the last name."""
    columns: Columns
    ours: bool
    """Whether NucLoop wrote it."""


def dialect_of(path: Path) -> Dialect:
    """Find out how a table is written, by its first lines.

    Parameters
    ----------
    path : Path
        Text in UTF-8 without a mark.

    Raises
    ------
    DataError
        If it has no columns that say where nuclei are, too many, or two of one name.
    """
    text, skipped = _beginning(path)
    ours = bool(skipped)
    lead = _LEAD.match(text)
    if lead is not None:
        text, skipped = text[lead.end() :], skipped + lead.group().count("\n")
    excel = _EXCEL.match(text)
    if excel is not None:
        text, skipped = text[excel.end() :], skipped + 1
    given = excel.group(1) if excel is not None else ""
    found = [(mark, names, lines, columns_of(names)) for mark, names, lines in _tried(text, given)]
    right = next((one for one in found if one[3].say_where), None)
    if right is None:
        raise _nowhere(path, max((one[1] for one in found), key=len, default=()))
    delimiter, names, lines, columns = right
    used = [names[k] for k in columns.found.values()]
    if len(names) > _MOST_COLUMNS or any(names.count(name) > 1 for name in used):
        raise DataError(f"{path.name} has over {_MOST_COLUMNS} columns, or two of one name. Leave some out.")
    rows = list(_first_rows(text, delimiter))[1:]
    decimal, width = _decimal(rows, delimiter, columns), _width(path, names, rows)
    ours = ours or any(map(_is_marked, names))
    return Dialect(delimiter, decimal, skipped + lines, width, columns, ours)


def _beginning(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        first = file.readline(LONGEST_LINE)
        marked = first.startswith(MARK)
        if not marked:
            file.seek(0)
        # a class name may hold commas, quotes and even ends of lines
        return file.read(LONGEST_LINE).decode("utf-8-sig", errors="replace"), int(marked)


def _tried(text: str, given: str) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Yield each sign that may stand between columns, the likeliest first, their names by it, and on how many lines."""
    marks = list(_BETWEEN)
    try:
        likely = given or csv.Sniffer().sniff(text[:_SNIFFED], _BETWEEN).delimiter
    except csv.Error:
        likely = ","
    marks.sort(key=lambda mark: mark != likely)
    for mark in dict.fromkeys([*given, *marks]):
        rows = csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True)
        try:
            names = tuple(name.strip() for name in next(rows, []))
            yield mark, names, rows.line_num
        except csv.Error:
            continue


def _first_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    rows = csv.reader(io.StringIO(text[:_SAMPLE]), delimiter=delimiter, skipinitialspace=True)
    return (row for row, _ in zip(rows, range(_ROWS), strict=False))


def _decimal(rows: list[list[str]], delimiter: str, columns: Columns) -> str:
    """Return the sign before fractions: a comma where the places of the first rows have one."""
    numbers = [k for name, k in columns.found.items() if name in {"y", "x", "y_um", "x_um"}]
    commas = any(_COMMA_FRACTION.fullmatch(row[k]) for row in rows for k in numbers if k < len(row))
    return "," if commas and delimiter != "," else "."


def _width(path: Path, names: tuple[str, ...], rows: list[list[str]]) -> int:
    """Return how many columns the widest of the first rows has; behind the names there is nothing in them.

    pandas would take what is there for names of rows, and the next column for the first.
    """
    for row in rows:
        if any(row[len(names) :]):
            raise DataError(
                f"{path.name} has rows with more columns than names. If its fractions have commas, write semicolons or "
                "tabs between the columns."
            )
    return max(len(names), *(len(row) for row in rows), 0)


def _nowhere(path: Path, names: tuple[str, ...]) -> DataError:
    shown = ", ".join(repr(name[:40]) for name in names[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "")
    has = f"; it has {shown}" if any(names) else ""
    return DataError(
        f"{path.name} has no columns y and x that say where the nuclei are{has}. Name the columns y and x, in "
        "pixels of the slide's finest level."
    )


def metadata_line(path: Path) -> bytes | None:
    """Return what NucLoop wrote behind its mark about a table; None where it wrote nothing.

    It is the name of the last column. Earlier versions wrote it as a line before the names, which a spreadsheet takes
    for the names.
    """
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
        if line.startswith(MARK):
            return line.removeprefix(MARK)
        file.seek(0)
        beginning = file.read(LONGEST_LINE)
    if MARK not in beginning:
        return None
    text = beginning.decode("utf-8-sig", errors="replace")
    named = (name for _, names, _ in _tried(text, "") for name in names if _is_marked(name))
    marked = next(named, None)
    return None if marked is None else marked.encode().removeprefix(MARK)


def _is_marked(name: str) -> bool:
    return name.startswith(MARK.decode())


def check_lines(path: Path) -> None:
    """Refuse a file with a line so long that reading it would take all memory."""
    rest = 0
    with path.open("rb") as file:
        while part := file.read(LONGEST_LINE):
            end = part.rfind(b"\n")
            first = part.find(b"\n") if end >= 0 else len(part)
            if rest + first > LONGEST_LINE:
                raise DataError(f"{path.name} has a line of more than {LONGEST_LINE:,} letters, so it is no table.")
            rest = len(part) - end - 1 if end >= 0 else rest + len(part)

"""What a spreadsheet would run when it opens a table of ours."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.formats import Document, SlideInfo, read_document
from nucloop.formats.tables.csv import write_csv
from nucloop.metrics.report import table_text
from nucloop.nuclei import Nuclei
from nucloop.spreadsheets import as_cell, from_cell

if TYPE_CHECKING:
    from pathlib import Path

EVIL = [
    "=cmd|' /C calc'!A0", "+1+2", "-2+3", "@SUM(A1)", "\tx", "\rx", "a\r=1", "'=1", "''=1", "'quoted'", "=", "it's", ""
]  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize("text", EVIL)
def test_a_cell_reads_back_as_it_was_and_is_no_formula(text: str) -> None:
    assert not as_cell(text).startswith(FORMULAS)
    assert from_cell(as_cell(text)) == text


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_names_of_classes_and_readers_in_a_table_are_no_formulas_and_come_back(tmp_path: Path, suffix: str) -> None:
    names = [text for text in EVIL if text.strip()]
    scheme = ClassScheme("evil", tuple(NucleusClass(name, "#112233") for name in names))
    nuclei = Nuclei.from_points(scheme, [[5, k] for k in range(len(names))], label=range(len(names)))
    document = Document(
        nuclei=nuclei, slide=SlideInfo(name="=1", height=100, width=100), notes={"author": np.array(names, object)}
    )
    path = tmp_path / f"nuclei{suffix}"

    write_csv(path, document)

    text = path.read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ","))
    assert len(rows) == len(names)
    assert not any(row[name].startswith(FORMULAS) for row in rows for name in ("class", "author"))
    again = read_document(path)
    assert [again.nuclei.scheme.names[k] for k in again.nuclei.label] == names
    assert again.notes["author"].tolist() == names


def test_a_table_of_figures_keeps_its_numbers_and_defuses_its_names() -> None:
    text = table_text([{"what": "=1+1", "f1": -0.5, "n": -3}], "csv")

    assert text == "what,f1,n\n'=1+1,-0.5000,-3\n"

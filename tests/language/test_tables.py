"""Tables of facts, and what is said of a bad row."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nesy.errors import ProgramError
from nesy.language import core, load_program, parse_program, tables
from nesy.language.values import Symbol

pa = pytest.importorskip("pyarrow")


def load(tmp_path, text: str, **files: str | bytes) -> core.CoreProgram:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name.replace("__", ".")).write_bytes(data)
    return parse_program(text, folder=tmp_path)


def rows(table: core.Table) -> list[tuple[object, ...]]:
    columns = [
        [column.values[code] for code in column.codes] if isinstance(column, core.Coded) else column.tolist()
        for column in table.columns
    ]
    return list(zip(*columns, strict=True))


def test_cells_are_what_they_would_be_in_a_program(tmp_path):
    program = load(tmp_path, '#facts w from "w.csv".', w__csv='ann,1,0.5\n"bob b",-2,1e3\n')
    assert rows(program.tables[0]) == [(Symbol("ann"), 1, 0.5), (Symbol("bob b"), -2, 1000.0)]
    assert core.Signature("w", 3) in program.predicates


def test_named_columns_are_taken_from_the_header_in_the_order_asked(tmp_path):
    text = '#facts edge(to, from) from "e.tsv".\np(X) :- edge(X, _).'
    program = load(tmp_path, text, e__tsv="from\tcost\tto\na\t3\tb\n")
    assert rows(program.tables[0]) == [(Symbol("b"), Symbol("a"))]


def test_declared_types_make_strings(tmp_path):
    program = load(tmp_path, '#pred says(symbol, string).\n#facts says from "s.csv".', s__csv='ann,"12"\nbob,"a, b"\n')
    assert rows(program.tables[0]) == [(Symbol("ann"), "12"), (Symbol("bob"), "a, b")]


def test_json_lines_and_parquet_keep_their_types(tmp_path):
    program = load(tmp_path, '#facts p(n, t) from "p.jsonl".', p__jsonl='{"t": "a", "n": 1}\n{"t": "b", "n": 2}\n')
    assert rows(program.tables[0]) == [(1, Symbol("a")), (2, Symbol("b"))]
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": [1, 2], "y": [0.5, 0.25]}), tmp_path / "q.parquet")
    assert rows(load(tmp_path, '#facts q from "q.parquet".').tables[0]) == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        ('#facts p from "p.csv".', {}, "p.csv: No such file or directory"),
        ('#facts p from "p.csv".', {"p__csv": "a,b\nc\n"}, "p.csv, row 2: 1 columns, not 2"),
        ('#facts p from "p.csv".', {"p__csv": "a,b\nc,\n"}, "p.csv, row 2, column 2: the cell is empty"),
        (
            '#pred p(symbol, int).\n#facts p from "p.csv".',
            {"p__csv": "a,1\nb,x\n"},
            "p.csv, row 2, column 2: `x` is not an integer",
        ),
        (
            '#facts p(n) from "p.csv".',
            {"p__csv": "n,m\n1,2\n99999999999999999999,3\n"},
            "p.csv, row 3, column `n`: 99999999999999999999 is beyond 64-bit integers",
        ),
        (
            '#facts p(form) from "p.csv".',
            {"p__csv": "from,to\n1,2\n"},
            "p.csv: there is no column `form`; did you mean `from`?",
        ),
        ('#facts p from "p.jsonl".', {"p__jsonl": '{"a": 1}\n{"a": \n'}, "p.jsonl, row 2: broken JSON"),
        (
            '#facts p from "p.jsonl".',
            {"p__jsonl": '{"a": 1}\n{"a": null}\n'},
            "p.jsonl, row 2, column `a`: the value is missing",
        ),
        (
            '#facts p from "p.jsonl".',
            {"p__jsonl": '{"a": 1}\n{"a": "x"}\n'},
            'p.jsonl, row 2, column `a`: "x" is of another type than the rows above',
        ),
        ('#facts p from "p.parquet".', {"p__parquet": "no"}, "p.parquet: "),
        ('#facts p from "p.xls".', {"p__xls": "no"}, "p.xls: cannot read `.xls`"),
        ('#facts p from "p.csv".', {"p__csv": ""}, "p.csv: the file is empty"),
        ('#facts p from "p.csv".', {"p__csv": b"a,\xff\xfe\n"}, "p.csv: "),
    ],
)
def test_a_bad_table_is_named_by_file_row_and_column(tmp_path, text, files, message):
    with pytest.raises(ProgramError) as error:
        load(tmp_path, text, **files)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "N509"
    assert diagnostic.message.startswith(message)


def test_a_table_of_many_rows_is_read_in_seconds(tmp_path):
    count = 300_000
    lines = "".join(f"{i},n{i % 1000}\n" for i in range(count))
    (tmp_path / "big.csv").write_text(lines)
    (tmp_path / "big.nesy").write_text('#facts big from "big.csv".\n')
    start = time.process_time()
    program = load_program(tmp_path / "big.nesy")
    assert program.tables[0].num_rows == count
    assert time.process_time() - start < 10  # a tenth of that on an idle machine


def test_integers_of_one_row_group_are_not_copied(tmp_path, monkeypatch):
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": list(range(300_000))}), tmp_path / "p.parquet")
    read = []
    original = tables._read_arrow
    monkeypatch.setattr(tables, "_read_arrow", lambda *given: read.append(original(*given)) or read[-1])
    (column,) = load(tmp_path, '#facts p from "p.parquet".').tables[0].columns
    assert np.shares_memory(column, read[0].column(0).chunk(0).to_numpy())

"""What the bench found, as tables and as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from pixi_container.inputs import parse_inputs
from tests.bench import __main__ as bench
from tests.bench.contestants import Took
from tests.bench.details import CHOICES
from tests.bench.measurements import BUMP, FIRST, Row, Runs, compared, used
from tests.bench.report import bars, tables

CHANGE: Row = {
    "change": "one <source> file",
    "ours_s": 0.9,
    "ours_bytes": 5_460,
    "recipe_s": 22.5,
    "recipe_bytes": 219_013_000,
    "time_ratio": 0.04,
    "time_target": 0.05,
    "bytes_ratio": 0.00002,
    "bytes_target": 0.001,
}


def test_a_table_has_measures_that_people_read() -> None:
    pulls: list[Row] = [{"who": "ours", "first_s": 11.2, "first_bytes": 308_449_000, "update_s": 0.3}]
    found = tables({"rows": [CHANGE], "pulls": pulls, "unknown": []})
    assert found["rows"].splitlines()[-1] == (
        "| one <source> file | 22.5 s, 219 MB | 0.9 s, 5.46 KB | 0.04 | ≤ 0.05 | 2e-05 | ≤ 0.001 |"
    )
    assert found["pulls"].splitlines() == [
        "|  | first pull | bytes | update |",
        "|---|---:|---:|---:|",
        "| ours | 11.2 s | 308 MB | 0.3 s |",
    ]
    assert set(found) == {"rows", "pulls"}


def test_each_target_is_a_row_with_the_medians_and_their_ratios_to_the_recipe() -> None:
    runs: Runs = defaultdict(list)
    runs[FIRST, "recipe"] = [Took(30.0, 600), Took(20.0, 400), Took(99.0, 500)]
    runs[FIRST, "ours"] = [Took(6.0, 250), Took(5.0, 250), Took(7.0, 900)]
    runs[FIRST, "none"] = [Took(3.0, 0)]
    rows = compared(runs, {(FIRST, "ours"): (0.4, 1.0), (FIRST, "none"): (0.1, 0.5)})
    assert [row["change"] for row in rows] == ["first build", "first build, builder: none"]
    assert [row["time_ratio"] for row in rows] == [0.2, 0.1]
    assert [row["bytes_ratio"] for row in rows] == [0.5, 0.0]
    assert (rows[0]["recipe_s"], rows[0]["ours_s"], rows[0]["ours_bytes"]) == (30.0, 6.0, 250)
    assert tables({"large": rows})["large"].splitlines()[2] == (
        "| first build | 30.0 s, 500 B | 6.0 s, 250 B | 0.2 | ≤ 0.4 | 0.5 | ≤ 1.0 |"
    )


def test_disk_is_that_of_temporary_files_and_builder_together_and_memory_the_most_of_all_runs() -> None:
    runs: Runs = defaultdict(list)
    runs[FIRST, "recipe"] = [Took(1, 1)]
    runs[FIRST, "ours"] = [Took(1, 1, memory=90_000_000, disk=100_000_000)]
    runs[BUMP, "ours"] = [Took(1, 1, memory=120_000_000, disk=999_000_000)]
    runs[FIRST, "none"] = [Took(1, 1, memory=50_000_000, disk=100_000_000)]
    rows = used(runs, {"recipe": [5_000_000_000], "ours": [400_000_000], "none": [0]})
    assert tables({"large_use": rows})["large_use"].splitlines()[2:] == [
        "| recipe | 0 B | 5 GB |  |  |  |  |",
        "| ours | 100 MB | 400 MB | 0.1 | ≤ 0.15 | 120 MB | ≤ 250 MB |",
        "| ours, builder: none | 100 MB | 0 B | 0.02 | ≤ 0.15 | 50 MB | ≤ 250 MB |",
    ]


def test_the_longest_bar_is_the_longest_time() -> None:
    picture = ET.fromstring(bars([CHANGE]))  # noqa: S314
    widths = [float(bar.get("width", "0")) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")]
    background, recipe, ours = widths
    assert background > recipe > 20 * ours > 0
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["one <source> file", "recipe 22.5 s, 219 MB", "ours 0.9 s, 5.46 KB"]


def test_sections_that_are_measured_one_after_the_other_are_in_one_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    bench._write({"pulls": [{"who": "ours", "first_s": 2.0}]}, 1)
    bench._write({"rows": [CHANGE]}, 3)
    bench._write({"pulls": [{"who": "ours", "first_s": 1.0}]}, 1)
    report = (tmp_path / "report.md").read_text()
    assert "| ours | 1.0 s |" in report
    assert "2.0 s" not in report
    assert report.index("on a BuildKit daemon") < report.index("What a machine pulls")
    assert (tmp_path / "performance.svg").exists()


@pytest.mark.parametrize("choice", CHOICES)
def test_each_choice_is_of_inputs_and_constants_that_exist(choice: str) -> None:
    inputs, constants = CHOICES[choice]
    parse_inputs(inputs)
    for place in constants:
        module, _, name = place.rpartition(".")
        assert hasattr(import_module(module), name), place

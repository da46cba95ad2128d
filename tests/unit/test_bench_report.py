"""What the bench found, as tables and as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.bench.measurements import Row
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


def test_the_longest_bar_is_the_longest_time() -> None:
    picture = ET.fromstring(bars([CHANGE]))  # noqa: S314
    widths = [float(bar.get("width", "0")) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")]
    background, recipe, ours = widths
    assert background > recipe > 20 * ours > 0
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["one <source> file", "recipe 22.5 s, 219 MB", "ours 0.9 s, 5.46 KB"]

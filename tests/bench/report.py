"""What was measured, for people: tables, and a picture of the changes' cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.measurements import Row

TITLES = {
    "rows": "What a change costs, on a BuildKit daemon",
    "engine_rows": "What a change costs, on the engine's own builder",
    "large": "A large environment: 2 GB in 40,000 files",
    "large_use": "A large environment: disk of the first build, and memory",
    "pulls": "What a machine pulls: one that has nothing, and one that has the image before a bump",
    "sizes": "Ours by the size of the environment",
    "bumps": "Ours by how many packages of the large environment are bumped at once",
    "choices": "Ours with other compression and other layers",
    "environments": "Several environments in one step",
    "requests": "Requests to the registry, by the number of environments",
    "start_up": "Commands that only say something, with the lock of the large environment",
}
_HEADS = {
    "change": "what changed",
    "who": "",
    "s": "time",
    "first_s": "first build",
    "first_bytes": "pushed",
    "bump_s": "one small package",
    "bump_bytes": "pushed",
    "pull_s": "pull",
    "temporary_bytes": "temporary files, peak",
    "builder_bytes": "builder, afterwards",
    "disk_ratio": "both, ratio",
    "disk_target": "target",
    "memory_bytes": "memory, peak",
    "memory_target": "target",
    "files": "files",
    "megabytes": "MB installed",
    "step": "",
    "ratio": "time, ratio",
    "time_target": "target",
    "pushed_bytes": "pushed",
    "environments": "environments",
    "first_requests": "first build",
    "first_per_environment": "per environment",
    "unchanged_requests": "unchanged",
    "unchanged_per_environment": "per environment",
}
_WIDTH, _LEFT, _BAR_WIDTH = 840, 220, 420
_BARS = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ width }} {{ 24 + 52 * bars | length }}" \
font-family="sans-serif" font-size="13" role="img" aria-label="Seconds that a change costs">
<rect width="{{ width }}" height="{{ 24 + 52 * bars | length }}" fill="#fff"/>
{% for bar in bars %}
<g transform="translate(0 {{ 14 + 52 * loop.index0 }})">
<text x="{{ left - 10 }}" y="24" text-anchor="end" fill="#222">{{ bar.change }}</text>
<rect x="{{ left }}" y="3" width="{{ bar.recipe_width }}" height="15" fill="#b9c0c8"/>
<text x="{{ left + 6 + bar.recipe_width }}" y="15" fill="#555">recipe {{ bar.recipe }}</text>
<rect x="{{ left }}" y="22" width="{{ bar.ours_width }}" height="15" fill="#f0a020"/>
<text x="{{ left + 6 + bar.ours_width }}" y="34" fill="#222">ours {{ bar.ours }}</text>
</g>
{% endfor %}
</svg>
"""


def tables(results: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """Return each measurement as a table in Markdown."""
    return {
        name: _changes(rows) if "time_ratio" in rows[0] else _plain(name, rows)
        for name, rows in results.items()
        if name in TITLES and rows
    }


def bars(rows: Sequence[Row]) -> str:
    """Return the seconds of each change as a picture, an SVG."""
    longest = max(float(row[f"{who}_s"]) for row in rows for who in ("ours", "recipe"))
    shown = [
        {
            "change": row["change"],
            **{who: f"{row[f'{who}_s']} s, {_bytes(row[f'{who}_bytes'])}" for who in ("ours", "recipe")},
            **{
                f"{who}_width": max(1, round(float(row[f"{who}_s"]) / longest * _BAR_WIDTH))
                for who in ("ours", "recipe")
            },
        }
        for row in rows
    ]
    environment = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    return environment.from_string(_BARS).render(bars=shown, width=_WIDTH, left=_LEFT)


def _changes(rows: Sequence[Row]) -> str:
    lines = [
        "| what changed | recipe | ours | time, ratio | target | bytes, ratio | target |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        recipe, ours = (f"{row[f'{who}_s']} s, {_bytes(row[f'{who}_bytes'])}" for who in ("recipe", "ours"))
        ratios = f"{row['time_ratio']} | ≤ {row['time_target']} | {row['bytes_ratio']} | ≤ {row['bytes_target']}"
        lines.append(f"| {row['change']} | {recipe} | {ours} | {ratios} |")
    return "\n".join(lines)


def _plain(name: str, rows: Sequence[Row]) -> str:
    heads = dict(_HEADS)
    if name == "pulls":
        heads |= {"first_s": "first pull", "first_bytes": "bytes", "update_s": "update", "update_bytes": "bytes"}
    elif name == "bumps":
        heads |= {"packages": "packages bumped", "bump_s": "time"}
    lines = ["| " + " | ".join(heads.get(key, key) for key in rows[0]) + " |"]
    lines.append("|---|" + "---:|" * (len(rows[0]) - 1))
    lines += ["| " + " | ".join(_cell(key, value) for key, value in row.items()) + " |" for row in rows]
    return "\n".join(lines)


def _cell(key: str, value: float | str) -> str:
    if value == "":
        return ""
    if key.endswith("_bytes"):
        return _bytes(value)
    if key == "s" or key.endswith("_s"):
        return f"{value} s"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _bytes(value: float | str) -> str:
    number = float(value)
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} B"

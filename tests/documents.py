"""The tables of the documentation, made from the tables in the code: ``python -m tests.documents`` writes them."""

from __future__ import annotations

from pathlib import Path

from pixi_container.inputs import INPUTS
from pixi_container.report import OUTPUTS

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "docs/inputs.md")


def with_tables(text: str) -> str:
    """Put the current tables between the markers."""
    inputs = ["| input | default | meaning |", "|---|---|---|"]
    for row in INPUTS:
        default = row.default if row.workflow_default is None else row.workflow_default
        inputs.append(f"| `{row.name}` | {f'`{default}`' if default else ''} | {row.help} |")
    outputs = ["| output | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in OUTPUTS.items())]
    return _between(_between(text, "inputs", inputs), "outputs", outputs)


def _between(text: str, marker: str, lines: list[str]) -> str:
    first, last = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    before, found, rest = text.partition(first)
    return before + first + "\n".join(lines) + "\n" + last + rest.partition(last)[2] if found else text


if __name__ == "__main__":
    for name in FILES:
        (ROOT / name).write_text(with_tables((ROOT / name).read_text("utf-8")), "utf-8")

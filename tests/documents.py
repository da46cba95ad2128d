"""What follows from the tables in the code, made by ``python -m tests.documents``: documents and action.yml."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pixi_container.fingerprint import ENVIRONMENT_PARTS, IMAGE_PARTS
from pixi_container.inputs import INPUTS
from pixi_container.report import OUTPUTS
from tests.markers import between

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "docs/inputs.md", "docs/reuse.md")


def with_tables(text: str) -> str:
    """Put the current tables between the markers."""
    inputs = ["| input | default | meaning |", "|---|---|---|"]
    for row in INPUTS:
        default = row.default if row.workflow_default is None else row.workflow_default
        inputs.append(f"| `{row.name}` | {f'`{default}`' if default else ''} | {row.help} |")
    outputs = ["| output | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in OUTPUTS.items())]
    text = between(between(text, "inputs", inputs), "outputs", outputs)
    for marker, parts in (("environment-parts", ENVIRONMENT_PARTS), ("image-parts", IMAGE_PARTS)):
        rows = [f"| {name} | {meaning} |" for name, meaning in parts.items()]
        text = between(text, marker, ["| part | what it is |", "|---|---|", *rows])
    return text


def with_action_tables(text: str) -> str:
    """Put inputs, outputs and the variables of the program's step into the text of action.yml."""
    inputs = [
        f"  {row.name}:\n    description: {json.dumps(row.help)}\n    required: false\n"
        f"    default: {json.dumps(row.default if row.workflow_default is None else row.workflow_default)}"
        for row in INPUTS
    ]
    outputs = [
        f"  {name}:\n    description: {json.dumps(text)}\n    value: ${{{{ steps.run.outputs.{name} }}}}"
        for name, text in OUTPUTS.items()
    ]
    variables = [f"        {row.variable}: ${{{{ inputs.{row.name} }}}}" for row in INPUTS]
    text = re.sub(r"(?ms)^inputs:\n.*?\n\n", lambda _: "\n".join(("inputs:", *inputs)) + "\n\n", text)
    text = re.sub(r"(?ms)^outputs:\n.*?\n\n", lambda _: "\n".join(("outputs:", *outputs)) + "\n\n", text)
    return re.sub(r"(?m)(^ +INPUT_.*\n)+", lambda _: "\n".join(variables) + "\n", text)


if __name__ == "__main__":
    for name in FILES:
        (ROOT / name).write_text(with_tables((ROOT / name).read_text("utf-8")), "utf-8")
    action = ROOT / "action.yml"
    action.write_text(with_action_tables(action.read_text("utf-8")), "utf-8")

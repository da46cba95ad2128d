"""Generate documentation tables, action.yml and schemas from tables in the code: ``python -m tests.documents``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.cli import COMMANDS
from pixi_container.errors import EXIT_CODES
from pixi_container.image.base_images import DEFAULT_PIXI, LOCK_NEEDS, OLDEST_PIXI, RICH_PLATFORMS_NEED
from pixi_container.image.fingerprint import ENVIRONMENT_PARTS, IMAGE_PARTS, MORE_PARTS
from pixi_container.image.workspace_stage import EDITABLE_FROM_MANIFEST
from pixi_container.input_table import COMMANDS_WITH_EVERY_INPUT, INPUTS, JOB_COMMANDS
from pixi_container.matrix import MATRIX_OUTPUTS
from pixi_container.merge import MERGE_OUTPUTS
from pixi_container.report import OUTPUTS
from tests.markers import between
from tests.schema import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixi_container.input_table import Input, Kind

ROOT = Path(__file__).parents[1]
FILES = ("docs/inputs.md", "docs/pixi-versions.md", "docs/reuse.md", "docs/settings.md")
PIXI_VERSIONS = {
    OLDEST_PIXI: "The oldest supported version: the first with every option that the Dockerfile uses.",
    "0.55.0": "Variables of `[activation.env]` are set after the activation scripts. In older versions, the "
    "scripts see them.",
    EDITABLE_FROM_MANIFEST: "Editable packages of the workspace are installed like any other package. In older "
    "versions, they stay editable and their sources are in the image.",
    "0.64.0": "A persistent builder keeps downloaded packages. In older versions, every build downloads them.",
    "0.67.2": "`pixi run` in the image never installs anything, because it respects `PIXI_NO_INSTALL`. In older "
    "versions, call `pixi run --as-is`.",
    LOCK_NEEDS[7]: "Version 7 locks, in which packages built from source can be skipped.",
    "0.69.0": "Two builds in which Pixi installs the same lock give identical layers. Older versions write "
    "records in random order.",
    "0.70.0": "Pixi itself takes file times from `SOURCE_DATE_EPOCH`, which the build sets.",
    RICH_PLATFORMS_NEED: 'Platforms as tables, such as `{ platform = "linux-64", cuda = "12" }`.',
    DEFAULT_PIXI: "The default: the newest tested version.",
}
"""What a version of Pixi changes for users of the image, beyond its own change log."""

SETTINGS: Mapping[Kind, str] = {
    "text": 'a string, `"12.9"`, or a whole number, `3`',
    "flag": "`true` or `false`",
    "lines": 'a list with an item for each line, `["src", "data/input.csv"]`, or the lines as a string',
    "words": 'a list of words, `["python", "-m", "app"]`, or a string',
    "pairs": 'a table, `{ maintainer = "lab" }`, or the lines of `KEY=value` as a string',
}
"""What a value looks like in the manifest, by the input's kind."""


def with_tables(text: str) -> str:
    """Return the text with the current tables between the markers."""
    inputs = ["| input | default | meaning |", "|---|---|---|"]
    for row in INPUTS:
        default = row.default if row.workflow_default is None else row.workflow_default
        inputs.append(f"| `{row.name}` | {f'`{default}`' if default else ''} | {row.help} |")
    outputs = ["| output | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in OUTPUTS.items())]
    text = between(between(text, "inputs", inputs), "outputs", outputs)
    for marker, parts in (
        ("environment-parts", {**ENVIRONMENT_PARTS, **MORE_PARTS}),
        ("image-parts", IMAGE_PARTS),
    ):
        rows = [f"| {name} | {meaning} |" for name, meaning in parts.items()]
        text = between(text, marker, ["| part | content |", "|---|---|", *rows])
    commands = ["| command | what it does | flags |", "|---|---|---|"]
    for name, command in COMMANDS.items():
        flags = [f"`--{row.name}`" for row in INPUTS if name in row.commands and not row.is_secret]
        used = ", ".join(flags)
        if name in {*COMMANDS_WITH_EVERY_INPUT, *JOB_COMMANDS}:
            unused = [f"`{row.name}`" for row in INPUTS if row.builds_only and name in JOB_COMMANDS]
            used = "every input of the action" + f" but {', '.join(unused)}" * bool(unused)
            own = [f"`--{row.name}`" for row in INPUTS if name in row.only_for]
            used += f", and {', '.join(own)}" * bool(own)
        commands.append(f"| `{name}` | {command.purpose} | {used} |")
    text = between(text, "commands", commands)
    kinds = {kind: [f"`{row.name}`" for row in INPUTS if row.is_setting and row.kind == kind] for kind in SETTINGS}
    settings = [f"| {', '.join(kinds[kind])} | {written} |" for kind, written in SETTINGS.items()]
    text = between(text, "settings", ["| settings | values |", "|---|---|", *settings])
    refused = [
        f"| `{row.name}` | {'it is a secret' if row.is_secret else row.not_in_settings} |"
        for row in INPUTS
        if not row.is_setting
    ]
    text = between(text, "not-settings", ["| input | why the manifest cannot set it |", "|---|---|", *refused])
    codes = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    text = between(text, "exit-codes", ["| exit code | meaning |", "|---|---|", *codes])
    versions = [f"| {version} | {meaning} |" for version, meaning in PIXI_VERSIONS.items()]
    return between(text, "pixi-versions", ["| since | what changes |", "|---|---|", *versions])


def with_action_tables(text: str, command: str = "run", values: Mapping[str, str] = OUTPUTS) -> str:
    """Return the text of an action with the current inputs, outputs and variables of the program's step."""
    rows = [row for row in INPUTS if command in row.commands]
    inputs = [
        f"  {row.name}:\n    description: {json.dumps(row.action_help)}\n    required: false\n"
        f"    default: {json.dumps(row.action_default)}"
        for row in rows
    ]
    outputs = [
        f"  {name}:\n    description: {json.dumps(text)}\n    value: ${{{{ steps.run.outputs.{name} }}}}"
        for name, text in values.items()
    ]
    variables = [f"        {row.variable}: ${{{{ inputs.{row.name} }}}}" for row in rows]
    text = re.sub(r"(?ms)^inputs:\n.*?\n\n", lambda _: "\n".join(("inputs:", *inputs)) + "\n\n", text)
    text = re.sub(r"(?ms)^outputs:\n.*?\n\n", lambda _: "\n".join(("outputs:", *outputs)) + "\n\n", text)
    return re.sub(r"(?m)(^ +INPUT_.*\n)+", lambda _: "\n".join(variables) + "\n", text)


SUB_ACTIONS: Mapping[str, tuple[str, str, str, Mapping[str, str]]] = {
    "build": (
        "run",
        "Build, test and push",
        "The action itself, by a path that the reusable workflow can refer to.",
        OUTPUTS,
    ),
    "matrix": (
        "matrix",
        "Plan the jobs",
        "Say which jobs of a workflow have a container image of a Pixi environment to build.",
        MATRIX_OUTPUTS,
    ),
    "merge": (
        "merge",
        "Merge",
        "Put the tags on the container images that the jobs of a workflow built and tested.",
        MERGE_OUTPUTS,
    ),
}
"""The command, the step's name, the description and the outputs of each action in a folder of its own."""


def sub_action(name: str) -> str:
    """Return the text of an action in a folder of its own, made from that of the root."""
    command, step, description, outputs = SUB_ACTIONS[name]
    text = (ROOT / "action.yml").read_text("utf-8")
    text = re.sub(r"(?m)^name: .*$", f"name: 'Pixi container: {name}'", text)
    text = re.sub(r"(?m)^description: .*$", f"description: {description}", text)
    text = re.sub(r"(?ms)^branding:\n.*?\n\n", "\n", text)
    text = text.replace("- name: Build, test and push\n", f"- name: {step}\n")
    text = text.replace("$GITHUB_ACTION_PATH/action/", "$GITHUB_ACTION_PATH/../action/")
    text = text.replace('run.py" run', f'run.py" {command}')
    return with_action_tables(text, command, outputs)


WORKFLOW = ".github/workflows/pixi-container.yml"

OF_A_JOB = ("context", "manifest-path", "environment", "environments", "platforms", "flavor")
"""The inputs that a build job has from the matrix."""

NOT_PASSED_ON = {
    "refresh": "each job would have a base of its own",
    "secret-files": "no step of the workflow writes a file",
    "ssh": "no step of the workflow starts an agent",
    "digests": "images are found by their fingerprints",
}
"""The inputs that the reusable workflow does not have, and why."""


def workflow_inputs() -> list[Input]:
    """Return the inputs that the reusable workflow passes on."""
    return [row for row in INPUTS if not row.is_secret and row.name not in NOT_PASSED_ON]


def with_workflow_inputs(text: str) -> str:
    """Return the text of the reusable workflow with the current inputs, and with those that each job passes on."""
    rows = workflow_inputs()
    described = [
        f"      {row.name}:\n        description: {json.dumps(row.action_help)}\n"
        f"        type: string\n        default: {json.dumps(row.action_default)}"
        for row in rows
    ]
    text = _marked(text, "inputs", described)
    for command in ("run", *JOB_COMMANDS):
        own = ("tags", "push", *(OF_A_JOB if command == "run" else ()))
        passed = [row.name for row in rows if command in row.commands and row.name not in own]
        text = _marked(text, command, (f"          {name}: ${{{{ inputs.{name} }}}}" for name in passed))
    return text


def _marked(text: str, marker: str, lines: Iterable[str]) -> str:
    """Put lines between the comments that begin and end a part of a YAML file."""
    block = rf"(?ms)^( *# <{marker}>[^\n]*\n).*?^( *# </{marker}>)"
    return re.sub(block, lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text)


if __name__ == "__main__":
    for name in FILES:
        (ROOT / name).write_text(with_tables((ROOT / name).read_text("utf-8")), "utf-8")
    for name, text in schemas().items():
        (ROOT / "schema" / name).write_text(text, "utf-8")
    action = ROOT / "action.yml"
    action.write_text(with_action_tables(action.read_text("utf-8")), "utf-8")
    for name in SUB_ACTIONS:
        (ROOT / name).mkdir(exist_ok=True)
        (ROOT / name / "action.yml").write_text(sub_action(name), "utf-8")
    workflow = ROOT / WORKFLOW
    workflow.write_text(with_workflow_inputs(workflow.read_text("utf-8")), "utf-8")

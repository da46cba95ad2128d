"""The workflow that ships an image: its text, with the inputs that the manifest's settings do not have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixi_container.shortening import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORKFLOW = ".github/workflows/image.yml"
"""The file that ``init`` writes, relative to the repository."""

ACTION = "org/pixi-container-action@v1"
CHECKOUT = "actions/checkout@v5"

_HEAD = """\
# Builds, tests and publishes the image of the Pixi environment. `pixi-container plan` says what a run would do.
name: Container image

on:
  push:
    branches: {branches}
    tags: ["v*"]
  pull_request:
  workflow_dispatch:

permissions: {{}}

concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  image:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      packages: write
    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
      - uses: {action}
"""
_OTHERS = """\
      # Other environments that are locked for Linux: {names}.
      # Each needs a step like the one above, and tags of its own:
      # - uses: {action}
      #   with:
      #     environment: {first}
      #     flavor: suffix=-{first}
"""


def workflow_text(inputs: Mapping[str, str], branches: Sequence[str], others: Sequence[str] = ()) -> str:
    """Return the workflow for pushes to ``branches``; ``others`` are environments that it does not ship."""
    text = _HEAD.format(branches=json.dumps(list(branches)), checkout=CHECKOUT, action=ACTION)
    if inputs:
        text += "        with:\n" + "".join(_given(name, value) for name, value in inputs.items())
    if others:
        text += _OTHERS.format(names=listed(others), first=others[0], action=ACTION)
    return text


def _given(name: str, value: str) -> str:
    """Return an input as YAML: a block for several lines, else a string in JSON's syntax, which is YAML's too."""
    if "\n" not in value:
        return f"          {name}: {json.dumps(value, ensure_ascii=False)}\n"
    lines = "".join(f"            {line}\n" for line in value.splitlines())
    return f"          {name}: |\n{lines}"

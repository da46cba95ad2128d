"""The files in which a runner expects outputs and the job summary; on a laptop there are none to write.

Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#environment-files
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_outputs(outputs: Mapping[str, str]) -> None:
    """Append the outputs to the file that ``GITHUB_OUTPUT`` names.

    Raises ``UserError`` if the file cannot be written.
    """
    if os.environ.get("GITHUB_OUTPUT"):
        from actions_toolkit.file_command import prepare_key_value_message

        lines = "\n".join(prepare_key_value_message(name, value) for name, value in outputs.items())
        if trouble := _append("GITHUB_OUTPUT", lines):
            raise UserError(
                f"the outputs could not be written: {trouble}", hint="The log shows what the run did before this."
            )


def write_summary(markdown: str) -> str:
    """Append to the job summary that ``GITHUB_STEP_SUMMARY`` names; return a warning if that fails, else empty.

    The work that the summary describes is done, so a missing file does not fail the run.
    """
    trouble = _append("GITHUB_STEP_SUMMARY", markdown) if os.environ.get("GITHUB_STEP_SUMMARY") else ""
    return f"the job summary could not be written: {trouble}" if trouble else ""


def _append(variable: str, text: str) -> str:
    from actions_toolkit.file_command import issue_file_command

    file = Path(os.environ[variable])
    if not file.exists():
        return f"there is no file '{file}' ({variable})"
    try:
        issue_file_command(variable.removeprefix("GITHUB_"), text)
    except OSError as error:
        return str(error.strerror or error)
    return ""

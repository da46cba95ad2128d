"""The files by which a runner takes outputs and the job summary; on a laptop there are none, and nothing happens.

Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#environment-files
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_outputs(outputs: Mapping[str, str]) -> None:
    """Append the outputs to the file that ``GITHUB_OUTPUT`` names."""
    if os.environ.get("GITHUB_OUTPUT"):
        from actions_toolkit.file_command import issue_file_command, prepare_key_value_message

        for name, value in outputs.items():
            issue_file_command("OUTPUT", prepare_key_value_message(name, value))


def write_summary(markdown: str) -> None:
    """Append to the job summary that ``GITHUB_STEP_SUMMARY`` names."""
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from actions_toolkit.file_command import issue_file_command

        issue_file_command("STEP_SUMMARY", markdown)

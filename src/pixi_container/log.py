"""The log of a run: titled steps on a terminal, folded groups in a workflow.

Everything is flushed at once, because child processes write to the same stream. In a workflow, only this module
writes the runner's workflow commands, through actions-toolkit.
Source of the commands: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from pixi_container.display import without_commands, without_controls
from pixi_container.interrupts import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pixi_container.errors import UserError


_SHORT_LINE = 3


class Log(Protocol):
    """Where the program reports what it does."""

    def say(self, text: str) -> None:
        """Print the program's own lines."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Open a titled step, which reports at its end how many seconds it took and whether it failed."""

    def untrusted_output(self) -> AbstractContextManager[Callable[[str], None]]:
        """Yield a printer for the output of an untrusted child; the runner executes none of its lines."""

    def warning(self, text: str) -> None:
        """Print a warning."""

    def error(self, error: UserError) -> None:
        """Print a user error."""

    def mask(self, secret: str) -> None:
        """Hide ``secret`` in everything that follows."""


class TerminalLog:
    """The log on a laptop: plain lines on standard error, which leaves standard output to results."""

    def say(self, text: str) -> None:
        """Print the text on standard error, where a runner also looks for commands."""
        print(without_commands(text), file=sys.stderr, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the title, and at the end how the step ended."""
        self.say(f"\n== {title}")
        with timed(lambda ended: self.say(f"   {ended}")):
            yield

    @contextmanager
    def untrusted_output(self) -> Iterator[Callable[[str], None]]:
        """Yield ``say``, because a terminal executes no commands."""
        yield self.say

    def warning(self, text: str) -> None:
        """Print a warning."""
        self.say(f"warning: {text}")

    def error(self, error: UserError) -> None:
        """Print place, message and hint."""
        self.say(f"error: {error}")

    def mask(self, secret: str) -> None:
        """Do nothing: the program prints no secrets, and a terminal cannot hide what others print."""


class WorkflowLog:
    """The log in a workflow: groups, annotations and masks."""

    def __init__(self) -> None:
        self._group_open = False

    def say(self, text: str) -> None:
        """Print lines so that the runner executes none of them as a command."""
        print(without_commands(text), flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Fold the step's lines; an error closes the fold first, so that its message shows."""
        self._command("group", title)
        self._group_open = True

        def tell(ended: str) -> None:
            self._close_group()
            self.say(f"{title}: {ended}")

        with timed(tell):
            yield

    @contextmanager
    def untrusted_output(self) -> Iterator[Callable[[str], None]]:
        """Stop the runner's command parsing, with its own ``stop-commands``, while a child process writes."""
        token = uuid4().hex
        self._command("stop-commands", token)
        try:
            yield lambda line: print(without_controls(line), flush=True)
        finally:
            self._command(token)

    def warning(self, text: str) -> None:
        """Create a warning annotation."""
        self._command("warning", text)

    def error(self, error: UserError) -> None:
        """Create an error annotation, with the file and line if they are known."""
        self._close_group()
        properties = {"title": "pixi-container"}
        if error.file:
            properties["file"] = error.file
        if error.line:
            properties["line"] = str(error.line)
        self._command("error", str(error), properties)

    def mask(self, secret: str) -> None:
        """Mask the secret and each of its lines with more than three characters: logs are masked by line.

        The runner itself masks every line of a mask (``AddMaskCommandExtension`` in
        https://github.com/actions/runner/blob/main/src/Runner.Worker/ActionCommandManager.cs). A line with a
        single brace would turn the whole log into ``***``, so the runner gets only the longer lines.
        """
        lines = [line.strip() for line in secret.splitlines() if line.strip()]
        long_lines = [line for line in lines if len(line) > _SHORT_LINE]
        if len(lines) == 1 or len(long_lines) in {0, len(lines)}:
            self._command("add-mask", secret.strip())
        for line in long_lines if len(lines) > 1 else ():
            self._command("add-mask", line)

    def _close_group(self) -> None:
        if self._group_open:
            self._group_open = False
            self._command("endgroup")

    def _command(self, name: str, message: str = "", properties: Mapping[str, str] | None = None) -> None:
        from actions_toolkit.command import issue_command

        # A secret must be masked unchanged; all other text loses its control characters.
        text = message if name == "add-mask" else without_controls(message)
        issue_command(name, {key: without_controls(value) for key, value in (properties or {}).items()}, text)
        sys.stdout.flush()


class LabelledLog:
    """A log in which steps and warnings begin with what they are about, such as a platform."""

    def __init__(self, log: Log, label: str) -> None:
        self._log = log
        self._label = label

    def say(self, text: str) -> None:
        """Print the text as it is."""
        self._log.say(text)

    def step(self, title: str) -> AbstractContextManager[None]:
        """Open a step with the label in front."""
        return self._log.step(f"{self._label}: {title}")

    def untrusted_output(self) -> AbstractContextManager[Callable[[str], None]]:
        """Yield the printer of the log behind it."""
        return self._log.untrusted_output()

    def warning(self, text: str) -> None:
        """Print a warning with the label in front."""
        self._log.warning(f"{self._label}: {text}")

    def error(self, error: UserError) -> None:
        """Print the error as it is."""
        self._log.error(error)

    def mask(self, secret: str) -> None:
        """Hide a secret in everything that follows."""
        self._log.mask(secret)


@contextmanager
def timed(tell: Callable[[str], None]) -> Iterator[None]:
    """Report how the block ended, and after how many seconds."""
    start = time.monotonic()
    ended = "failed after"
    try:
        yield
        ended = "done in"
    except Interrupted:
        ended = "interrupted after"
        raise
    finally:
        tell(f"{ended} {time.monotonic() - start:.1f} s")


def log_for(env: Mapping[str, str]) -> Log:
    """Return the log for a workflow or a terminal."""
    return WorkflowLog() if env.get("GITHUB_ACTIONS") == "true" else TerminalLog()

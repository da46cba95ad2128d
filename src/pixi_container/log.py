"""What a person reads while it runs: grouped steps on a terminal, folded ones in a workflow.

Everything is flushed at once, since child processes write to the same place. In a workflow this is the one
place that speaks the runner's command language, through actions-toolkit.
Source of the language: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
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
    """Where the program says what it does."""

    def say(self, text: str) -> None:
        """Print lines of our own."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Open a titled step, which tells its seconds, and whether it failed, when it ends."""

    def untrusted_output(self) -> AbstractContextManager[Callable[[str], None]]:
        """Yield a printer for the output of an untrusted child: none of its lines is ever taken for a command."""

    def warning(self, text: str) -> None:
        """Print a warning."""

    def error(self, error: UserError) -> None:
        """Print what the user has to mend."""

    def mask(self, secret: str) -> None:
        """Hide ``secret`` in everything that follows."""


class TerminalLog:
    """On a laptop: plain lines on standard error, so that standard output is free for results."""

    def say(self, text: str) -> None:
        """Print the text on standard error, which a runner reads for commands too."""
        print(without_commands(text), file=sys.stderr, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the title before, and how it ended after."""
        self.say(f"\n== {title}")
        with _timed(lambda ended: self.say(f"   {ended}")):
            yield

    @contextmanager
    def untrusted_output(self) -> Iterator[Callable[[str], None]]:
        """A terminal knows no commands."""
        yield self.say

    def warning(self, text: str) -> None:
        """Print a warning."""
        self.say(f"warning: {text}")

    def error(self, error: UserError) -> None:
        """Print place, message and hint."""
        self.say(f"error: {error}")

    def mask(self, secret: str) -> None:
        """No secret is ever printed by us; a terminal cannot hide what others print."""


class WorkflowLog:
    """In a workflow: groups, annotations and masks."""

    def __init__(self) -> None:
        self._group_open = False

    def say(self, text: str) -> None:
        """Print lines that the runner does not take for commands."""
        print(without_commands(text), flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Fold the step's lines; an error closes the fold first, so that its message shows."""
        self._command("group", title)
        self._group_open = True

        def tell(ended: str) -> None:
            self._close_group()
            self.say(f"{title}: {ended}")

        with _timed(tell):
            yield

    @contextmanager
    def untrusted_output(self) -> Iterator[Callable[[str], None]]:
        """Stop the runner's command parsing, by its own means, while a child process writes."""
        token = uuid4().hex
        self._command("stop-commands", token)
        try:
            yield lambda line: print(without_controls(line), flush=True)
        finally:
            self._command(token)

    def warning(self, text: str) -> None:
        """Make a warning annotation."""
        self._command("warning", text)

    def error(self, error: UserError) -> None:
        """Make one error annotation, at its place in the checkout where that is known."""
        self._close_group()
        properties = {"title": "pixi-container"}
        if error.file:
            properties["file"] = error.file
        if error.line:
            properties["line"] = str(error.line)
        self._command("error", str(error), properties)

    def mask(self, secret: str) -> None:
        """Mask the secret, and each of its lines with more than three characters, as a log is masked by line.

        The runner itself masks every line of what it is given (``AddMaskCommandExtension`` in
        https://github.com/actions/runner/blob/main/src/Runner.Worker/ActionCommandManager.cs). A secret with a
        line that is a single brace would turn the whole log into ``***``: only its longer lines are given.
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

        # A secret is masked as it is; whatever else is said has no control characters.
        text = message if name == "add-mask" else without_controls(message)
        issue_command(name, {key: without_controls(value) for key, value in (properties or {}).items()}, text)
        sys.stdout.flush()


@contextmanager
def _timed(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell how the block ended, and after how many seconds."""
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
    """Return the log that fits the place where the program runs."""
    return WorkflowLog() if env.get("GITHUB_ACTIONS") == "true" else TerminalLog()

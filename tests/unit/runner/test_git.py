"""How Git is run: with settings that no checkout can change, and what its failures mean."""

from __future__ import annotations

from typing import Any

import pytest

from pixi_container.errors import CommitGoneError, GitUnavailableError, ToolUnavailableError
from pixi_container.processes import Finished
from pixi_container.runner import git
from pixi_container.runner.git import Git

SAFE = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.askPass": "",
    "credential.helper": "",
    "log.showSignature": "false",
    "safe.bareRepository": "explicit",
    "safe.directory": "*",
    "http.followRedirects": "false",
}


class Program:
    """Stands for Git: how it was started, and how it ends."""

    def __init__(self, ends: Finished | ToolUnavailableError) -> None:
        self._ends = ends
        self.argv: list[str] = []
        self.options: dict[str, Any] = {}

    def __call__(self, argv: list[str], **options: Any) -> Finished:  # noqa: ANN401
        self.argv, self.options = argv, options
        if isinstance(self._ends, ToolUnavailableError):
            raise self._ends
        return self._ends


def started(monkeypatch: pytest.MonkeyPatch, ends: Finished | ToolUnavailableError) -> Program:
    program = Program(ends)
    monkeypatch.setattr(git, "capture", program)
    return program


def test_git_is_told_what_a_checkout_must_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    program = started(monkeypatch, Finished(0, " out \n", ""))
    made = Git("/repository", {"PATH": "/bin"})
    assert made.read("rev-parse", "HEAD", given="in") == "out"
    assert program.argv[:2] == ["git", "--no-pager"]
    settings = program.argv[2 : 2 + 2 * len(SAFE)]
    assert dict(setting.split("=", 1) for setting in settings[1::2]) == SAFE
    assert set(settings[::2]) == {"-c"}
    assert program.argv[2 + 2 * len(SAFE) :] == ["--git-dir=/repository", "rev-parse", "HEAD"]
    assert program.options == {
        "env": {"PATH": "/bin"},
        "added": {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1"},
        "given": "in",
        "seconds": 30,
        "errors": "surrogateescape",
    }
    assert made.ask("fetch", seconds=9, protocol="https", added={"A": "b"}) == " out \n"
    assert program.options["seconds"] == 9
    assert program.options["added"]["GIT_ALLOW_PROTOCOL"] == "https"
    assert program.options["added"]["A"] == "b"


@pytest.mark.parametrize(
    ("errors", "kind", "message"),
    [
        (
            "fatal: not our ref abc",
            CommitGoneError,
            "the repository no longer has the commit (fatal: not our ref abc)",
        ),
        ("Couldn't find remote ref x", CommitGoneError, "(Couldn't find remote ref x)"),
        ("no such remote ref", CommitGoneError, "(no such remote ref)"),
        ("unadvertised object", CommitGoneError, "(unadvertised object)"),
        ("fatal:  cannot\n resolve", GitUnavailableError, "git fetch failed: fatal: cannot resolve"),
        ("", GitUnavailableError, "git fetch failed: exit code 128"),
        ("x" * 301, GitUnavailableError, f"git fetch failed: {'x' * 300}"),
    ],
)
def test_what_a_failure_means(
    monkeypatch: pytest.MonkeyPatch, errors: str, kind: type[Exception], message: str
) -> None:
    started(monkeypatch, Finished(128, "out", errors))
    made = Git("/repository", {})
    with pytest.raises(kind) as caught:
        made.ask("fetch")
    assert str(caught.value).startswith(message) or str(caught.value).endswith(message)
    assert made.read("fetch") == ""


def test_without_git_github_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, ToolUnavailableError("'git' cannot be started", hint="Install it."))
    with pytest.raises(GitUnavailableError) as caught:
        Git("/repository", {}).ask("fetch")
    assert (caught.value.message, caught.value.hint) == ("'git' cannot be started", "Install it.")

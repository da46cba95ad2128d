"""Read the shell commands of RUN well enough to tell an installation from other steps."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "\n"})
_APT = frozenset({"apt-get", "apt", "aptitude"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?(?:[=/][A-Za-z0-9.+:~-]+)?")
_OF_THE_INSTALLER = re.compile(r"pixi\.sh/install\.sh|github\.com/prefix-dev/pixi/releases")
_CACHES = re.compile(r"/var/lib/apt/lists|/var/cache|/root/\.cache|~/\.cache|/tmp|\.cache/rattler")
_OF_THE_INSTALLATION = frozenset({"install", "shell-hook", "clean", "config", "info", "list", "lock", "auth"})
_WITHOUT_EFFECT = frozenset({"set", "true", ":", "exit"})


@dataclass(frozen=True)
class Commands:
    """What a RUN does: Debian packages and environments of Pixi that it installs, and all other commands."""

    packages: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    installs_pixi: bool = False
    runs_pixi: bool = False
    others: tuple[tuple[str, ...], ...] = ()

    @property
    def is_of_pixi(self) -> bool:
        """Whether it installs Pixi or an environment."""
        return self.installs_pixi or self.runs_pixi


def read_commands(text: str) -> Commands | None:
    """Return what the text does in a shell; None if it is too involved to tell."""
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|\n")
        lexer.whitespace = " \t\r"
        lexer.commenters = ""
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return None
    commands: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set(";&|\n"):
            commands.append([])
        else:
            commands[-1].append(word)
    return _judged([command for command in map(_without_prefix, commands) if command], text)


def _without_prefix(command: list[str]) -> list[str]:
    """Return a command without variables and ``sudo`` in front of it."""
    while command and (_VARIABLE.fullmatch(command[0]) or command[0] in {"sudo", "exec", "env"}):
        command = command[1:]
    return command


def _judged(commands: list[list[str]], text: str) -> Commands:
    packages: list[str] = []
    environments: list[str] = []
    others: list[tuple[str, ...]] = []
    runs_pixi = any(
        _is_pixi(command) and command[1:2] and command[1] in _OF_THE_INSTALLATION for command in commands
    )
    fetches = bool(_OF_THE_INSTALLER.search(text))
    hook = "shell-hook" in text
    for command in commands:
        name, arguments = command[0].rpartition("/")[2], command[1:]
        if name in _APT and (installed := _installed(arguments)) is not None:
            packages += installed
        elif _is_pixi(command) and arguments and arguments[0] in _OF_THE_INSTALLATION:
            environments += _environments(arguments)
        elif not (
            name in _WITHOUT_EFFECT
            or (name == "rm" and all(_CACHES.search(word) for word in arguments if not word.startswith("-")))
            or (fetches and name in {"curl", "wget", "bash", "sh", "chmod", "tar", "mv"})
            or (hook and name in {"echo", "printf", "chmod", "cat"})
        ):
            others.append(tuple(command))
    return Commands(tuple(packages), tuple(environments), fetches, runs_pixi, tuple(others))


def _is_pixi(command: list[str]) -> bool:
    return command[0].rpartition("/")[2] == "pixi"


def _installed(arguments: list[str]) -> list[str] | None:
    """Return the packages that apt installs, none for a command that only prepares it; None for other commands."""
    words = [word for word in arguments if not word.startswith("-")]
    if not words or words[0] in {"update", "clean", "autoclean", "autoremove"}:
        return []
    if words[0] == "install" and all(_PACKAGE.fullmatch(word) for word in words[1:]):
        return words[1:]
    return None


def _environments(arguments: list[str]) -> list[str]:
    names = []
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word in {"-e", "--environment"}:
            names.append(following)
        elif word.startswith("--environment="):
            names.append(word.partition("=")[2])
    return names

"""Activation: the script of `pixi shell-hook`, and the variables that it gives when it is run."""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rattler.shell import ActivationVariables, PathModificationBehavior, Shell, activate

from . import machine
from .errors import PixiError
from .prefix import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .manifest import Environment, Manifest

# crates/pixi_core/src/shell_snippets/pixi-bash.sh
_FUNCTION = """\
# shellcheck shell=bash
pixi() {
    local first_arg="${1-}"

    "${PIXI_EXE-}" "$@" || return $?

    case "${first_arg-}" in
    add | a | remove | rm | install | i)
        eval "$("$PIXI_EXE" shell-hook --change-ps1 false)"
        hash -r
        ;;
    esac || :

    return 0
}
"""
_OF_BASH = {"_", "PWD", "SHLVL"}
_COMPLETIONS = """\
for _pixi_f in {folder}/*; do
    [ -r "$_pixi_f" ] && . "$_pixi_f"
done
unset _pixi_f
"""


def script(
    manifest: Manifest,
    environment: Environment,
    executable: str,
    *,
    completions: bool = True,
    change_ps1: bool = True,
) -> str:
    """What `pixi shell-hook -s bash` prints, with its random order of lines and its baked PATH."""
    prefix = path_of(manifest, environment.name)
    lines = [_core(manifest, environment, executable)]
    folder = prefix / "share/bash-completion/completions"
    if completions and folder.is_dir():
        lines.append(_COMPLETIONS.format(folder=folder))
    lines.append(_FUNCTION)
    if change_ps1:
        lines.append(f'export PS1="({_label(manifest, environment)}) ${{PS1:-}}"')
    return "\n".join(lines)


def variables(manifest: Manifest, environment: Environment, executable: str) -> dict[str, str]:
    """The variables that activation changes, found as pixi finds them: by running it in bash."""
    text = _core(manifest, environment, executable)
    with tempfile.TemporaryDirectory(prefix="pixi-") as name:
        path = Path(name, "activation.sh")
        path.write_text(f"{text}\nenv -0 >&3\n", encoding="utf-8")
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as output:
            try:
                command = ["bash", "-c", f'exec 3>&{writer}; . "$0" >&2', str(path)]
                process = subprocess.Popen(command, pass_fds=[writer])
            except FileNotFoundError:
                raise PixiError("failed to run activation: bash was not found") from None
            finally:
                os.close(writer)
            content = output.read().decode()
        if process.wait():
            raise PixiError(f"failed to run activation of environment '{environment.name}'")
    pairs = (entry.partition("=") for entry in content.split("\0") if entry)
    after = {key: value for key, _, value in pairs}
    return {key: value for key, value in after.items() if os.environ.get(key) != value and key not in _OF_BASH}


def scripts_of_manifest(manifest: Manifest, environment: Environment) -> list[Path]:
    """The manifest's activation scripts that exist, absolute."""
    paths = [manifest.root / script for script in environment.activation_scripts(machine.subdir())]
    return [path for path in paths if path.is_file()]


def _core(manifest: Manifest, environment: Environment, executable: str) -> str:
    prefix = path_of(manifest, environment.name)
    current = os.environ.get("CONDA_PREFIX")
    library = activate(
        prefix,
        ActivationVariables(
            Path(current) if current else None,
            os.environ.get("PATH", "").split(":"),
            PathModificationBehavior.Replace,
        ),
        Shell.bash,
    ).script.splitlines()
    scripts = f". {shlex.quote(f'{prefix}/etc/conda/activate.d')}/"
    head = [line for line in library if line and not line.startswith(scripts)]
    level = int(os.environ.get("CONDA_SHLVL") or 0) + 1
    head = [re.sub(r"^export CONDA_SHLVL=.*", f"export CONDA_SHLVL={level}", line) for line in head]
    lines = head + [_export(key, value) for key, value in _pixi_variables(manifest, environment, executable)]
    lines = [each for line in lines for each in (*_backup(line, level), line)]
    lines += [line for line in library if line.startswith(scripts)]
    lines += [f". {shlex.quote(str(path))}" for path in scripts_of_manifest(manifest, environment)]
    for key, value in environment.activation_variables(machine.subdir()).items():
        lines += [*_backup(f"export {key}=", level), _export(key, value)]
    return "\n".join(lines) + "\n"


def _pixi_variables(manifest: Manifest, environment: Environment, executable: str) -> list[tuple[str, str]]:
    first = {
        "PIXI_PROJECT_ROOT": str(manifest.root),
        "PIXI_PROJECT_NAME": manifest.name,
        "PIXI_PROJECT_MANIFEST": str(manifest.path),
        "PIXI_PROJECT_VERSION": manifest.version or "NO_VERSION_SPECIFIED",
        "PIXI_IN_SHELL": "1",
        "PIXI_EXE": executable,
    }
    platforms = [platform.name for platform in environment.platforms]
    second = {
        "CONDA_DEFAULT_ENV": _label(manifest, environment),
        "PIXI_ENVIRONMENT_NAME": environment.name,
        "PIXI_ENVIRONMENT_PLATFORMS": ",".join(random.sample(platforms, len(platforms))),
        "PIXI_PROMPT": f"({_label(manifest, environment)}) ",
    }
    return [*random.sample(list(first.items()), len(first)), *second.items()]


def _label(manifest: Manifest, environment: Environment) -> str:
    return manifest.name if environment.name == "default" else f"{manifest.name}:{environment.name}"


def _export(key: str, value: str) -> str:
    """The line of the rattler_shell crate (Bash::set_env_var): with a `$`, only double quotes are escaped.

    Backslashes and backticks keep their meaning there.
    """
    if "$" in value:
        escaped = value.replace('"', '\\"')
        return f'export {key}="{escaped}"'
    return f"export {key}={quoted(value)}"


def quoted(text: str) -> str:
    """A word of the shell as the shlex crate writes it (version 1.3): in as few pieces as it takes."""
    if not text:
        return "''"
    pieces = []
    while text:
        length, how = _quoting(text)
        piece, text = text[:length], text[length:]
        if how == "double":
            piece = re.sub(r'(["\\\\])', r"\\\1", piece)
        pieces.append({"none": piece, "single": f"'{piece}'", "double": f'"{piece}"'}[how])
    return "".join(pieces)


def _quoting(text: str) -> tuple[int, str]:
    """How much of the text can be quoted in one way, and in which: the first of those that can."""
    ways = {"none", "single", "double"}
    for position, character in enumerate(text):
        left = set(ways)
        if not re.fullmatch(r"[-+./:@\]_0-9A-Za-z]", character):
            left.discard("none")
        if character in "'\\" or (character == "^" and position):
            left.discard("single")
        if character in "`$!^":
            left.discard("double")
        if not left:
            return position, _first(ways)
        ways = left
    return len(text), _first(ways)


def _first(ways: set[str]) -> str:
    return next(way for way in ("none", "single", "double") if way in ways)


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` replaced by what the variables have."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: variables.get(found[1] or found[2], ""), text)


def _backup(line: str, level: int, environ: Mapping[str, str] = os.environ) -> list[str]:
    found = re.match(r"export (\w+)=", line)
    if not found or found[1] in {"PATH", "CONDA_SHLVL"} or found[1] not in environ:
        return []
    return [_export(f"CONDA_ENV_SHLVL_{level}_{found[1]}", environ[found[1]])]

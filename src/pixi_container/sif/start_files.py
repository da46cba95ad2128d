"""The files that Apptainer looks for in an image: variables, and how it is started.

What there has to be is in ``base_environment.go`` and ``conveyorPacker_oci.go`` of
https://github.com/apptainer/apptainer/tree/main/internal/pkg/build/sources. Apptainer and SingularityCE have the
actions in themselves; the ones here are for versions before 3.6.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.json_object import object_in
from pixi_container.sif.layer_entries import FILE, FOLDER, SYMLINK, LayerEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixi_container.sif.merged_layers import MergedLayers

STARTSCRIPT = "#!/bin/sh\n"
"""The script of ``apptainer instance start``: nothing."""

_HOME = ".singularity.d"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOLDERS = ("dev", "etc", "home", "proc", "root", "sys", "tmp", "var/tmp")
_BOUND = ("etc/hosts", "etc/resolv.conf")
"""Files of the machine are bound over them, which only works where they exist."""

_LINKS = {
    "singularity": "runscript",
    ".run": "actions/run",
    ".exec": "actions/exec",
    ".test": "actions/test",
    ".shell": "actions/shell",
    "environment": "env/90-environment.sh",
}

_SOURCE_ENVIRONMENT = """#!/bin/sh
for script in /.singularity.d/env/*.sh; do
    if [ -f "$script" ]; then . "$script"; fi
done
"""
_ACTIONS = {
    "exec": 'exec "$@"\n',
    "run": 'exec /.singularity.d/runscript "$@"\n',
    "shell": """if [ -x /bin/bash ]; then exec /bin/bash --norc "$@"; fi
exec /bin/sh "$@"
""",
    # Apptainer waits for this signal before it says that an instance is up.
    "start": "kill -CONT 1\nexec /.singularity.d/startscript\n",
    "test": "exit 0\n",
}
_LIBRARIES = """#!/bin/sh
LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
PS1="${PS1:-Apptainer> }"
export LD_LIBRARY_PATH PS1
"""
_USERS_PATH = """#!/bin/sh
PATH="${SING_USER_DEFINED_PREPEND_PATH:+$SING_USER_DEFINED_PREPEND_PATH:}$PATH"
PATH="$PATH${SING_USER_DEFINED_APPEND_PATH:+:$SING_USER_DEFINED_APPEND_PATH}"
PATH="${SING_USER_DEFINED_PATH:-$PATH}"
unset SING_USER_DEFINED_PREPEND_PATH SING_USER_DEFINED_APPEND_PATH SING_USER_DEFINED_PATH
export PATH
"""


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """What an image's configuration says of how it starts, and the labels that ``apptainer inspect`` shows."""

    variables: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StartFile:
    """An entry, and its content if it is a file."""

    entry: LayerEntry
    content: bytes = b""


def start_settings(config: Mapping[str, object]) -> StartSettings:
    """Return the settings in an image's configuration, without values of a wrong type."""
    labels = object_in(config.get("Labels")).items()
    return StartSettings(
        variables=_texts(config.get("Env")),
        entrypoint=_texts(config.get("Entrypoint")),
        command=_texts(config.get("Cmd")),
        labels=tuple((name, value) for name, value in labels if isinstance(value, str)),
    )


def start_files(settings: StartSettings, definition: str, image: MergedLayers) -> tuple[StartFile, ...]:
    """Return the entries to put on top of an image; ``definition`` is the text that tells where it comes from."""
    return tuple(
        StartFile(file.entry._replace(number=number), file.content)
        for number, file in enumerate(_entries(settings, definition, image))
    )


def runscript(settings: StartSettings) -> str:
    """Return the script of ``apptainer run``: entrypoint and arguments, or without arguments the image's command.

    Unlike in Apptainer's own, no argument is evaluated by the shell.
    """
    lines = ["#!/bin/sh"]
    if settings.command:
        lines += ["if [ $# -eq 0 ]; then", f"    set -- {shlex.join(settings.command)}", "fi"]
    if settings.entrypoint:
        lines.append(f'set -- {shlex.join(settings.entrypoint)} "$@"')
    return "\n".join([*lines, 'exec "$@"', ""])


def variables_script(settings: StartSettings) -> str:
    """Return the script that sets the image's variables. Names that a shell cannot have are left out."""
    lines = ["#!/bin/sh"]
    for variable in settings.variables:
        name, has_value, value = variable.partition("=")
        if _VARIABLE.fullmatch(name):
            lines.append(f"export {name}={shlex.quote(value)}" if has_value else f'export {name}="${{{name}:-}}"')
    return "\n".join([*lines, ""])


def labels_json(settings: StartSettings) -> str:
    """Return the labels as the file that Apptainer reads."""
    return json.dumps(dict(settings.labels), indent="\t", sort_keys=True)


def _entries(settings: StartSettings, definition: str, image: MergedLayers) -> Iterator[StartFile]:
    for path in _FOLDERS:
        if not image.has_folder(path) and image.kind_at(path) is None:
            yield _folder(path)
    for path in _BOUND:
        if image.kind_at(path) is None:
            yield _file(path, "", 0o644)
    for path in ("", "/libs", "/actions", "/env"):
        yield _folder(f"{_HOME}{path}")
    for name, script in _ACTIONS.items():
        yield _file(f"{_HOME}/actions/{name}", _SOURCE_ENVIRONMENT + script)
    yield _file(f"{_HOME}/env/10-docker2singularity.sh", variables_script(settings))
    yield _file(f"{_HOME}/env/90-environment.sh", "#!/bin/sh\n")
    yield _file(f"{_HOME}/env/99-base.sh", _LIBRARIES)
    yield _file(f"{_HOME}/env/99-runtimevars.sh", _USERS_PATH)
    yield _file(f"{_HOME}/runscript", runscript(settings))
    yield _file(f"{_HOME}/startscript", STARTSCRIPT)
    yield _file(f"{_HOME}/labels.json", labels_json(settings), 0o644)
    yield _file(f"{_HOME}/Singularity", definition, 0o644)
    for path, target in _LINKS.items():
        if image.kind_at(path) in {None, SYMLINK}:
            yield StartFile(LayerEntry(path, SYMLINK, 0o777, target=f"{_HOME}/{target}"))


def _folder(path: str) -> StartFile:
    return StartFile(LayerEntry(path, FOLDER, 0o755))


def _file(path: str, text: str, mode: int = 0o755) -> StartFile:
    content = text.encode("utf-8", "surrogateescape")
    return StartFile(LayerEntry(path, FILE, mode, size=len(content)), content)


def _texts(values: object) -> tuple[str, ...]:
    # No process can have a variable or an argument with a NUL character.
    return (
        tuple(text for text in values if isinstance(text, str) and "\0" not in text)
        if isinstance(values, list)
        else ()
    )

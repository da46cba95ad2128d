"""The image's files that activate the environment, as finish.sh and shells.sh in ``image/scripts`` make them."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.environment.entries import EARLIEST, PathEntry, text_entry
from pixi_container.image.dockerfile import activation_variables, kept_variables, prefix_of, scripts
from pixi_container.image.template import quoted_for_shell
from pixi_container.paths import open_file
from pixi_container.workspace.folder import HERE, below, from_folder, in_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from pixi_container.workspace.workspace import Workspace

SCRIPTS = "etc/conda/activate.d/"
VARIABLES = "etc/conda/env_vars.d/"
"""Where packages have scripts and variables for the activation: https://docs.conda.io/projects/conda-build/."""

_OF_THE_ACTIVATION = re.compile(
    r"export (CONDA_SHLVL|CONDA_ENV_SHLVL_[A-Za-z0-9_]+|CONDA_PREFIX|CONDA_DEFAULT_ENV|PIXI_IN_SHELL|PIXI_EXE"
    r"|PIXI_PROMPT|PIXI_PROJECT_(ROOT|NAME|MANIFEST|VERSION)|PIXI_ENVIRONMENT_(NAME|PLATFORMS))="
)
_PROFILE = """\
if [ -n "${{BASH_VERSION:-}}" ]; then
  . {workdir}/.pixi/activate.sh
else
  case ":$PATH:" in
    *":{prefix}/bin:"*) ;;
    *) export PATH="{prefix}/bin:$PATH" ;;
  esac
fi
"""


@dataclass(frozen=True, kw_only=True)
class Activation:
    """What the workspace says of its environment's activation.

    ``image_variables`` are exported once, ``variables`` again by each repair. ``scripts`` are relative to
    ``workdir``, ``script_files`` are they as entries below it. ``environment`` has the manifest's own variables.
    ``folder`` is the workspace's, relative to ``workdir``. ``environments`` are the names of all that the
    image has, of which the first is active; empty where this is the only one.
    """

    prefix: str
    workdir: str
    image_variables: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    scripts: tuple[str, ...] = ()
    script_files: tuple[PathEntry, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    folder: str = HERE
    environments: tuple[str, ...] = ()

    @property
    def is_further(self) -> bool:
        """Whether the image has another environment, which is active unless this one is asked for."""
        return bool(self.environments) and self._name != self.environments[0]

    @property
    def ending(self) -> str:
        """What the names of its files below ``.pixi`` end in."""
        return f"-{self._name}" if self.is_further else ""

    @property
    def _name(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def place(self) -> str:
        """The workspace's folder in the image."""
        return below(self.workdir, self.folder)


def workspace_activation(workspace: Workspace, workdir: str, environments: tuple[str, ...] = ()) -> Activation:
    """Return the activation of a workspace's environment, and read its scripts. Raises ``UserError``.

    ``environments`` are the names of all that the image has, where it has several.
    """
    prefix = prefix_of(workspace, workdir)
    return Activation(
        prefix=prefix,
        workdir=workdir,
        image_variables=tuple(kept_variables(workspace)),
        variables=tuple(activation_variables(workspace, workdir, prefix)),
        scripts=workspace.activation_scripts,
        script_files=tuple(_script(workspace.context, path) for path in workspace.activation_scripts),
        environment=workspace.activation_env,
        folder=workspace.folder,
        environments=environments,
    )


def activation_entries(activation: Activation, hook: str, record_names: Iterable[str]) -> Iterator[PathEntry]:
    """Yield the files below ``workdir``; ``record_names`` are those in ``conda-meta``, without hidden ones."""
    # As finish.sh, for which `ls` sorts them.
    names = "".join(f"{name}\n" for name in sorted(record_names))
    digest = hashlib.sha256(f"{hook}{names}".encode()).hexdigest()[:16]

    def filled_in(name: str) -> str:
        text = scripts()[name].replace("@workdir@", activation.place).replace("@prefix@", activation.prefix)
        return text.replace("@activation@", f"{activation.prefix}@{digest}")

    own, ending = in_context(".pixi", activation.folder), activation.ending
    activate = filled_in("activate.sh").replace("/.pixi/hook.sh", f"/.pixi/hook{ending}.sh")
    chosen = _choice(activation) if activation.environments and not activation.is_further else ""
    yield text_entry(f"{own}/activate{ending}.sh", exports(activation) + chosen + activate)
    yield text_entry(f"{own}/hook{ending}.sh", hook)
    if activation.is_further:
        yield from activation.script_files
        return
    # Pixi writes here when it runs tasks, as a user who may write nowhere else.
    yield PathEntry(f"{own}/task-cache-v0", "symlink", 0o777, EARLIEST, target="/tmp")  # noqa: S108
    yield text_entry("entrypoint.sh", filled_in("entrypoint.sh"), 0o755)
    yield from activation.script_files


def _choice(activation: Activation) -> str:
    """Return what chooses one of several environments, as further.sh fills it in."""
    text = scripts()["select.sh"].replace("@workdir@", activation.place)
    text = text.replace("@environments@", " ".join(activation.environments))
    return text.replace("@first@", activation.environments[0])


def exports(activation: Activation) -> str:
    """Return the functions that export the variables, as the Dockerfile has them."""
    functions = {
        "__pixi_container_image_variables": activation.image_variables,
        "__pixi_container_variables": activation.variables,
    }
    lines = []
    for name, variables in functions.items():
        exported = (f"  export {variable}={quoted_for_shell(value)}" for variable, value in variables)
        lines += [f"{name}() {{", *exported, "}"]
    return "".join(f"{line}\n" for line in lines)


def hook_text(activation: Activation, files: Mapping[str, bytes]) -> str:
    """Return what packages and the workspace add to the activation, in the order of `pixi shell-hook`.

    ``files`` are those of the packages below ``SCRIPTS`` and ``VARIABLES``, by their paths below the prefix.
    """
    paths = sorted(path for path in files if path.startswith(SCRIPTS) and path.endswith(".sh"))
    lines = [
        *_exported({path: content for path, content in files.items() if path.startswith(VARIABLES)}),
        *(f". {shlex.quote(f'{activation.prefix}/{path}')}" for path in paths),
        *(
            f". {shlex.quote(f'{activation.place}/{from_folder(path, activation.folder)}')}"
            for path in activation.scripts
        ),
        *_exported({f"{VARIABLES}manifest.json": json.dumps(dict(activation.environment)).encode()}),
        # What hook.awk leaves of the function that pixi prints at the end.
        "# shellcheck shell=bash",
    ]
    return "".join(f"{line}\n" for line in _kept(lines))


def shell_entries(own: PathEntry | None, activation: Activation) -> Iterator[PathEntry]:
    """Yield the shells' start-up files below the root; ``own`` is the base's ``/etc/bash.bashrc``."""
    line = f". {activation.place}/.pixi/activate.sh\n".encode()
    start = b"".join(own.content) if own else b""
    mode = own.mode if own else 0o644
    yield PathEntry("etc/bash.bashrc", mode=mode, size=len(start + line), content=(start + line,))
    profile = _PROFILE.format(workdir=activation.place, prefix=activation.prefix)
    yield text_entry("etc/profile.d/pixi-container.sh", profile)
    yield PathEntry(activation.place.removeprefix("/"), "directory", 0o755)


def _script(context: Path, path: str) -> PathEntry:
    with open_file(context, path, what=f"the activation script '{path}'") as file:
        content = file.read()
    executable = (context / path).stat().st_mode & 0o111
    return PathEntry(
        str(PurePosixPath(path)), mode=0o755 if executable else 0o644, size=len(content), content=(content,)
    )


def _exported(files: Mapping[str, bytes]) -> list[str]:
    """Return the lines by which rattler exports the variables in these files, without those of its own."""
    from rattler.shell import ActivationVariables, PathModificationBehavior, Shell, activate

    with tempfile.TemporaryDirectory() as name:
        for path, content in files.items():
            file = Path(name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        replaced: Any = ActivationVariables(None, ["/bin"], PathModificationBehavior.Replace)
        text = activate(Path(name), replaced, Shell.bash, "linux-64").script
    # PATH, the level and the prefix come first.
    return text.splitlines()[3:]


def _kept(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines that hook.awk keeps: activate.sh sets the other variables."""
    quote = ""
    for line in lines:
        if quote:
            quote = _open_quote(line, quote)
            yield line
            continue
        quote = _open_quote(line, "")
        if line.strip() and not _OF_THE_ACTIVATION.match(line):
            yield line


def _open_quote(text: str, quote: str) -> str:
    """Return the quote that is still open at the end of the text, as in a value of several lines, else nothing."""
    characters = iter(text)
    for character in characters:
        if character == "\\" and quote != "'":
            next(characters, "")
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
    return quote

"""Write the secrets of a build into files that BuildKit reads, and check the keys that it is to use."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import read_bytes
from pixi_container.registry.docker_config import write_secret
from pixi_container.runner.checkout import checkout_around
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pixi_container.inputs import Inputs

SECRETS_FOLDER = "secrets"
"""The folder below the temporary one with a file for each secret, named by its id."""

_MOST_BYTES = 500 * 1024
"""BuildKit's limit: ``MaxSecretSize`` in https://github.com/moby/buildkit/blob/master/session/secrets/secrets.go"""


def write_build_secrets(work: Path, inputs: Inputs, env: Mapping[str, str], mask: Callable[[str], None]) -> None:
    """Write the secrets below ``work``, each readable by its owner only, and ``mask`` those that come from files.

    Raises ``UserError`` for a file that does not exist, is too large, or is in the checkout and leads out of it,
    and for an SSH agent or key that is not there.
    """
    _check_ssh(inputs, env)
    folder = work / SECRETS_FOLDER
    folder.mkdir(mode=0o700)
    for name, value in inputs.build_secrets:
        if value:
            write_secret(folder / name, value.encode("utf-8", "surrogateescape"))
    for name, path in inputs.secret_files:
        content = _content(Path(inputs.context), path, f"input 'secret-files': '{name}'")
        mask(content.decode("utf-8", "replace"))
        write_secret(folder / name, content)


def _content(context: Path, path: str, what: str) -> bytes:
    """Return a file's content. Below the checkout, which may be a stranger's, no link may lead out of it."""
    place = Path(path)
    top = next((top for top in _tops(context) if place.is_absolute() and place.is_relative_to(top)), None)
    try:
        if not place.is_absolute():
            return read_bytes(context, path, what=what, limit=_MOST_BYTES)
        if top:
            return read_bytes(top, str(place.relative_to(top)), what=what, limit=_MOST_BYTES)
        return read_bytes(Path("/"), str(place.relative_to("/")), what=what, limit=_MOST_BYTES)
    except FileNotFoundError as error:
        raise UserError(
            f"{what}: there is no file '{shortened(path)}'",
            hint="A path is absolute, or relative to 'context'.",
        ) from error


def _tops(context: Path) -> Iterator[Path]:
    """Yield the folders whose content comes from the checkout."""
    if checkout := checkout_around(context):
        yield checkout.root
    yield from (context.absolute(), context.resolve())


def _check_ssh(inputs: Inputs, env: Mapping[str, str]) -> None:
    for name, path in inputs.ssh:
        if not path and not env.get("SSH_AUTH_SOCK"):
            raise UserError(
                "input 'ssh': 'default' is the machine's SSH agent, but none runs (SSH_AUTH_SOCK is not set)",
                hint="Start an agent in an earlier step, or name a key: 'default=/path/of/the/key'.",
            )
        if path and not _is_key_or_socket(Path(inputs.context), Path(path)):
            raise UserError(
                f"input 'ssh': '{name}' must be a key or the socket of an agent, outside of the checkout",
                hint=f"'{shortened(path)}' is neither, or is in the checkout, which may be a stranger's.",
            )


def _is_key_or_socket(context: Path, place: Path) -> bool:
    if any(place.is_relative_to(top) for top in _tops(context)):
        return False
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISSOCK(mode)

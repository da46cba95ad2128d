"""Docker's client configuration: read the user's credentials, and make a private copy with those of this run.

Source of the format: https://docs.docker.com/reference/cli/docker/#docker-cli-configuration-file-configjson-properties
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixi_container.addresses import DOCKER_HUB, DOCKER_HUB_CREDENTIALS
from pixi_container.child_environment import CREDENTIAL_HELPER, passing
from pixi_container.errors import UserError
from pixi_container.json_object import object_in, object_under
from pixi_container.processes import capture
from pixi_container.registry.credentials import Credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def stored_credential(registry: str, env: Mapping[str, str]) -> Credential | None:
    """Return the credential that ``docker login`` stored in the file or a credential helper; None without one."""
    config = _read(_folder(env))
    key = DOCKER_HUB_CREDENTIALS if registry == DOCKER_HUB else registry
    helper = object_under(config, "credHelpers").get(key, config.get("credsStore", ""))
    if helper:
        if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
            return None
        try:
            done = capture([f"docker-credential-{helper}", "get"], env=env, given=key)
            kept = json.loads(done.output) if done.code == 0 else {}
            username, password = str(kept.get("Username", "")), str(kept.get("Secret", ""))
        except (UserError, ValueError, AttributeError, RecursionError):
            return None
    else:
        auth = object_under(config, "auths", key).get("auth", "")
        try:
            username, _, password = base64.b64decode(str(auth)).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
    return Credential(registry=registry, username=username, password=password) if password else None


_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CREDENTIALS = frozenset({"auths", "credHelpers", "credsStore", "HttpHeaders"})


@contextmanager
def private_docker_config(
    credentials: Sequence[Credential], env: Mapping[str, str], parent: Path, *, keep_stored: bool = True
) -> Iterator[dict[str, str]]:
    """Yield variables that point Docker to a private configuration with ``credentials``, while the block runs.

    The folder is a copy of the user's configuration, created below ``parent``, readable by its owner only and
    removed afterwards. Without ``keep_stored`` it leaves out the credentials stored on this machine. The user's
    plugins, contexts and builders stay where they are.
    """
    folder = _folder(env)
    config = _read(folder)
    if not keep_stored:
        config = {name: value for name, value in config.items() if name not in _CREDENTIALS}
    private = Path(tempfile.mkdtemp(prefix="docker-config-", dir=parent))
    try:
        for name in ("cli-plugins", "contexts"):
            if (folder / name).exists():
                (private / name).symlink_to((folder / name).resolve())
        for credential in credentials:
            key = DOCKER_HUB_CREDENTIALS if credential.registry == DOCKER_HUB else credential.registry
            secret = base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()
            config.setdefault("auths", {})[key] = {"auth": secret}
            if config.get("credsStore") or key in object_under(config, "credHelpers"):
                # An empty helper name makes Docker use the file for this registry only.
                config.setdefault("credHelpers", {})[key] = ""
        write_secret(private / "config.json", json.dumps(config))
        yield {
            **(credential_helper_variables(env) if keep_stored else {}),
            "DOCKER_CONFIG": str(private),
            "BUILDX_CONFIG": env.get("BUILDX_CONFIG") or str(folder / "buildx"),
        }
    finally:
        shutil.rmtree(private, ignore_errors=True)


def credential_helper_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of cloud credential helpers if Docker's configuration names a helper, else none."""
    config = _read(_folder(env))
    return passing(CREDENTIAL_HELPER, env) if config.get("credHelpers") or config.get("credsStore") else {}


def write_secret(file: Path, content: str | bytes) -> None:
    """Write a file that nobody else can read at any moment."""
    file.touch(mode=0o600)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def _folder(env: Mapping[str, str]) -> Path:
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or "/root") / ".docker")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"Docker's configuration cannot be read: {error}",
            file=str(path),
            hint="Repair or remove the file.",
        ) from error
    return object_in(config)

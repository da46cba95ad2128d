"""Parse the inputs that a build of your own Dockerfile takes, in the forms that docker/build-push-action has.

Source: https://github.com/docker/build-push-action#inputs
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO

from pixi_container.errors import UserError
from pixi_container.registry.reference import parse_reference
from pixi_container.shortening import shortened

IMAGE_CONTEXT = "docker-image://"
"""The start of a build context that is an image."""

_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
# Becomes the name of a file, and part of a list with commas: letters, digits and inner signs.
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ADDRESS = re.compile(r"https://[!-~]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_KEY_FILE = re.compile(r"/[^\x00-\x1f\x7f,\"]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# In a list, a character that no value may contain: every line is one field, which may be quoted.
_NO_SEPARATOR = "\x1f"

Pairs = tuple[tuple[str, str], ...]
"""Names with their values, each name once."""


@dataclass(frozen=True)
class BuildContext:
    """A named build context: an image, the address of a Git repository or archive, or a folder.

    A folder's path is relative to the input ``context``.
    """

    name: str
    value: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return not self.value.startswith((IMAGE_CONTEXT, "https://"))


def stage_names(name: str, text: str) -> tuple[str, ...]:
    """Return the names of stages in an input, one per line. Raises ``UserError`` for what is no name."""
    names = tuple(dict.fromkeys(_entries(name, text)))
    for stage in names:
        if not _STAGE.fullmatch(stage):
            raise _malformed(name, stage, "the name of a stage: letters, digits and . _ -")
    return names


def build_arguments(text: str) -> Pairs:
    """Return the build arguments in an input. Raises ``UserError`` for an entry that is no ``KEY=value``."""
    accepted = 'one KEY=value per line, such as VERSION=1.2; quote an entry of several lines: "KEY=first…"'
    pairs = []
    for entry in _entries("build-args", text):
        key, equals, value = entry.partition("=")
        if not equals or not _ARGUMENT.fullmatch(key) or _CONTROL.search(value):
            raise _malformed("build-args", entry, accepted)
        pairs.append((key, value))
    return _each_once("build-args", pairs)


def build_contexts(text: str) -> tuple[BuildContext, ...]:
    """Return the build contexts in an input; whether a folder exists is not looked at.

    Raises ``UserError`` for an entry that is none, or of another kind.
    """
    accepted = (
        "one name=value per line, where the value is a folder relative to 'context', docker-image://image, or the "
        "https:// address of a Git repository or an archive"
    )
    contexts = []
    for entry in _entries("build-contexts", text):
        name, _, value = entry.partition("=")
        if not _CONTEXT.fullmatch(name) or not value or _CONTROL.search(value):
            raise _malformed("build-contexts", entry, accepted)
        if value.startswith(IMAGE_CONTEXT):
            parse_reference(value.removeprefix(IMAGE_CONTEXT), source=f"input 'build-contexts': '{name}'")
        elif _SCHEME.match(value) and not _ADDRESS.fullmatch(value):
            raise _malformed("build-contexts", entry, accepted)
        contexts.append((name, value))
    return tuple(BuildContext(*pair) for pair in _each_once("build-contexts", contexts))


def build_secrets(text: str) -> Pairs:
    """Return the secrets in an input by id; one that is not set has an empty value.

    Raises ``UserError``, which shows no value, for an entry that is no ``id=value``.
    """
    pairs = []
    for number, entry in enumerate(_entries("secrets", text, is_secret=True), 1):
        key, equals, value = entry.partition("=")
        if not equals or not _SECRET.fullmatch(key) or "\0" in value:
            raise UserError(
                f"input 'secrets': entry {number} cannot be read (not shown: it may hold a secret)",
                hint="Accepted: one id=value per line; quote an entry of several lines, and double each quote in "
                "it.",
            )
        pairs.append((key, value))
    return _each_once("secrets", pairs)


def secret_files(text: str) -> Pairs:
    """Return the files in an input by the secret's id.

    Raises ``UserError`` for an entry that is no ``id=path``.
    """
    pairs = []
    for entry in _entries("secret-files", text):
        key, _, path = entry.partition("=")
        if not _SECRET.fullmatch(key) or not path or _CONTROL.search(path):
            raise _malformed("secret-files", entry, "one id=path per line")
        pairs.append((key, path))
    return _each_once("secret-files", pairs)


def ssh_agents(text: str) -> Pairs:
    """Return the agents or keys in an input by id; an empty path stands for the machine's own agent.

    Raises ``UserError`` for an entry that is neither ``default`` nor ``id=path``.
    """
    pairs = []
    for entry in _entries("ssh", text):
        key, equals, path = entry.partition("=")
        own_agent = not equals and key == "default"
        if not own_agent and not (_SECRET.fullmatch(key) and _KEY_FILE.fullmatch(path)):
            raise _malformed("ssh", entry, "default, or id=/absolute/path of a key or an agent's socket")
        pairs.append((key, path))
    return _each_once("ssh", pairs)


def _entries(name: str, text: str, *, is_secret: bool = False) -> list[str]:
    """Return the entries of a list: one per line, or quoted over several; lines that start with ``#`` are none."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=_NO_SEPARATOR, skipinitialspace=True, strict=True)
    try:
        fields = [row[0].strip(" \t") for row in reader if row]
    except (csv.Error, IndexError) as error:
        shown = "not shown: it may hold a secret" if is_secret else str(error)
        raise UserError(
            f"input '{name}' cannot be read ({shown})",
            hint="Accepted: one entry per line. An entry that begins with a quote ends with one, and has every "
            "other quote twice.",
        ) from None
    return [field for field in fields if field and not field.startswith("#")]


def _each_once(name: str, pairs: list[tuple[str, str]]) -> Pairs:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise UserError(f"input '{name}' has '{shortened(key)}' twice", hint="Remove one of the entries.")
        seen.add(key)
    return tuple(pairs)


def _malformed(name: str, entry: str, accepted: str) -> UserError:
    return UserError(
        f"input '{name}' has an invalid value: {shortened(repr(entry))}", hint=f"Accepted: {accepted}."
    )

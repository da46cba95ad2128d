"""Values of inputs: lists of lines, and what shapes how a container starts, as an image's configuration has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\\\$|\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|\$(?P<bare>[A-Za-z_][A-Za-z0-9_]*)")
_USER = re.compile(r"(?:[0-9]{1,10}|[a-z_][a-z0-9_-]{0,31})(?::(?:[0-9]{1,10}|[a-z_][a-z0-9_-]{0,31}))?")
_SIGNAL = re.compile(r"SIG[A-Z0-9]{2,12}(?:[+-][0-9]{1,2})?|[0-9]{1,2}")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ns|us|ms|s|m|h))+")
_DURATION_PART = re.compile(r"([0-9.]+)(ns|us|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_LEAST_NANOSECONDS = 10**6
_HEALTHCHECK_OPTION = re.compile(r"--(?P<name>[a-z-]+)=(?P<value>\S+)\s+")
_DURATION_OPTIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}

NOT_SETTABLE = ("BASH_ENV", "CONDA_", "PIXI_")
"""Starts of the names of variables that the environment's activation needs as they are."""


@dataclass(frozen=True)
class Variable:
    """A variable of the image: literal texts, and between them the names of variables whose values are put there.

    ``parts`` alternates: a text, a name, a text, and so on; it begins and ends with a text.
    """

    name: str
    parts: tuple[str, ...]

    def value(self, variables: dict[str, str]) -> str:
        """Return the value where the image has these variables already."""
        return "".join(variables.get(part, "") if number % 2 else part for number, part in enumerate(self.parts))

    @property
    def quoted(self) -> str:
        """The value as ENV takes it: https://docs.docker.com/reference/dockerfile/#environment-replacement."""
        texts = (
            f"${{{part}}}" if number % 2 else re.sub(r'(["\\$])', r"\\\1", part)
            for number, part in enumerate(self.parts)
        )
        return f'"{"".join(texts)}"'


@dataclass(frozen=True)
class Healthcheck:
    """How an engine finds out whether a container works; without a ``command``, it does not try.

    ``options`` are those of HEALTHCHECK as they are written, by name without the dashes.
    Source: https://docs.docker.com/reference/dockerfile/#healthcheck.
    """

    command: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def as_configuration(self) -> dict[str, object]:
        """Return the value of ``Healthcheck`` in an image's configuration; durations are in nanoseconds."""
        if not self.command:
            return {"Test": ["NONE"]}
        values: dict[str, object] = {
            _DURATION_OPTIONS[name]: _nanoseconds(value) for name, value in self.options if name != "retries"
        }
        retries = dict(self.options).get("retries")
        return {
            "Test": ["CMD", *self.command],
            **{name: value for name, value in values.items() if value},
            **({"Retries": int(retries)} if retries and int(retries) else {}),
        }


def lines_of(text: str) -> tuple[str, ...]:
    """Return the non-blank lines, trimmed, without those that start with ``#``."""
    stripped = (line.strip() for line in text.splitlines())
    return tuple(line for line in stripped if line and not line.startswith("#"))


def environment_names(text: str) -> tuple[str, ...]:
    """Return the names in the input ``environment``, of which the first is active; empty for a blank text."""
    return tuple(name for line in lines_of(text) for name in line.replace(",", " ").split())


def malformed(name: str, value: str, accepted: str) -> UserError:
    """Return the error for an input with a value that it cannot have."""
    return UserError(f"input '{name}' has an invalid value: {value!r}", hint=f"Accepted: {accepted}.")


def variables(lines: tuple[str, ...]) -> tuple[Variable, ...]:
    r"""Return the variables of ``NAME=value`` lines.

    ``$NAME`` and ``${NAME}`` stand for the image's own values, as in a Dockerfile, and ``\$`` for a dollar sign.
    Raises ``UserError`` for a line of another form, and for a variable that would undo the activation.
    """
    return tuple(_variable(line) for line in lines)


def _variable(line: str) -> Variable:
    name, equals, value = line.partition("=")
    accepted = "lines such as NAME=value, in which $PATH stands for the image's own value"
    if not equals or not _NAME.fullmatch(name) or CONTROL.search(value):
        raise malformed("env", line, accepted)
    if name.startswith(NOT_SETTABLE):
        raise UserError(
            f"input 'env' sets {name}, which the environment's activation sets",
            hint="Remove the line. Variables of the activation belong into [activation.env] of the manifest.",
        )
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        # As Docker and every shell do; who wants quotes in the value writes them twice.
        value = value[1:-1]
    parts, at = [""], 0
    for match in _REFERENCE.finditer(value):
        parts[-1] += _literal(value[at : match.start()], line, accepted)
        at = match.end()
        reference = match["braced"] or match["bare"]
        if reference:
            parts += [reference, ""]
        else:
            parts[-1] += "$"
    parts[-1] += _literal(value[at:], line, accepted)
    if name == "PATH" and "PATH" not in parts[1::2]:
        raise UserError(
            "input 'env' replaces PATH, in which the environment is",
            hint="Add to it instead, such as PATH=/opt/tool/bin:$PATH.",
        )
    return Variable(name, tuple(parts))


def _literal(text: str, line: str, accepted: str) -> str:
    if "${" in text:
        raise malformed("env", line, f"{accepted}; defaults such as ${{NAME:-value}} are not, and \\$ is a dollar")
    return text


def user(value: str) -> str:
    """Return a user of an image, by name or number, with or without a group."""
    return _checked("user", value, _USER, "a user such as 1000, 1000:100, name or name:group")


def stop_signal(value: str) -> str:
    """Return a signal's name or number."""
    return _checked("stop-signal", value, _SIGNAL, "a signal such as SIGINT or 2")


def volumes(value: str) -> tuple[str, ...]:
    """Return folders of the image."""
    accepted = "absolute paths of letters, digits and . _ -, separated by white space"
    return tuple(dict.fromkeys(_checked("volumes", path, _ABSOLUTE, accepted) for path in value.split()))


def working_directory(value: str, workdir: str) -> str:
    """Return an absolute folder; a relative one is below ``workdir``."""
    path = value if value.startswith("/") else f"{workdir}/{value.removeprefix('./')}"
    _checked("working-directory", path, _ABSOLUTE, "a path of letters, digits and . _ -, absolute or in 'workdir'")
    return path


def healthcheck(value: str) -> Healthcheck:
    """Return what HEALTHCHECK of a Dockerfile would mean, with options, ``CMD`` and ``NONE`` as there.

    A command that is not a JSON list is run by Bash, for which the environment is active.
    """
    rest, options = value, dict[str, str]()
    while option := _HEALTHCHECK_OPTION.match(rest):
        name, text = option["name"], option["value"]
        is_valid = (
            re.fullmatch("[0-9]{1,3}", text)
            if name == "retries"
            else name in _DURATION_OPTIONS and _DURATION.fullmatch(text) and _is_long_enough(text)
        )
        if not is_valid:
            raise malformed("healthcheck", option[0].strip(), f"options such as --interval=30s: {_options()}")
        options[name] = text
        rest = rest[option.end() :]
    rest = re.sub(r"^CMD\s+", "", rest).strip()
    if rest == "NONE" and not options:
        return Healthcheck()
    if not rest or rest.startswith("--"):
        raise malformed("healthcheck", value, f"a command, after options such as {_options()}")
    command = words("healthcheck", rest) if rest.startswith("[") else ("/bin/bash", "-c", rest)
    if CONTROL.search(rest):
        raise malformed("healthcheck", value, "one line")
    return Healthcheck(command, tuple(options.items()))


def _options() -> str:
    return ", ".join(f"--{name}" for name in (*_DURATION_OPTIONS, "retries"))


def _is_long_enough(duration: str) -> bool:
    """Tell whether Docker takes the duration: 0, which stands for its default, or at least a millisecond."""
    length = _nanoseconds(duration)
    return length == 0 or length >= _LEAST_NANOSECONDS


def _nanoseconds(duration: str) -> int:
    from decimal import Decimal, InvalidOperation

    try:
        return int(sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in _DURATION_PART.findall(duration)))
    except InvalidOperation:
        return -1


def words(name: str, value: str) -> tuple[str, ...]:
    """Return the words of a command, which is a JSON list or has the quotes of a shell."""
    import json
    import shlex

    accepted = 'words such as `python -m app` or a JSON list such as ["python", "-m", "app"]'
    split: Callable[[str], object] = json.loads if value.startswith("[") else shlex.split
    try:
        parts = split(value)
    except (ValueError, RecursionError) as error:
        raise malformed(name, value, f"{accepted} ({error})") from error
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise malformed(name, value, accepted)
    if any(ord(character) < 32 for part in parts for character in part):
        raise malformed(name, value, f"{accepted}, without control characters")
    return tuple(parts)


def _checked(name: str, value: str, pattern: re.Pattern[str], accepted: str) -> str:
    if pattern.fullmatch(value):
        return value
    raise malformed(name, value, accepted)

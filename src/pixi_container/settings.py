"""The settings: values of inputs that stand in the manifest.

``[tool.pixi-container]`` has them for every environment, ``[tool.pixi-container.environments.NAME]`` for one. The
keys are the names of the inputs. A value is the input's text, or what TOML has for it: a number, a boolean, a list
with an item for each line, or a table for lines of ``KEY=value``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixi_container.errors import NoWorkspaceError, UserError
from pixi_container.input_table import INPUTS
from pixi_container.input_values import environment_names
from pixi_container.shortening import listed, shortened
from pixi_container.suggestions import did_you_mean
from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.toml_table import TomlTable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.input_table import Input, Kind
    from pixi_container.workspace.manifest import Manifest

TABLE = "pixi-container"
"""The settings' table in ``[tool]``."""

PER_ENVIRONMENT = "environments"
"""The key of the tables that are for one environment each."""

ENVIRONMENT = "environment"
"""The input that selects one of them."""

_ACCEPTED: Mapping[Kind, str] = {
    "text": "a string",
    "flag": "true or false",
    "lines": "a list of strings, or a string with an entry per line",
    "words": "a list of strings, or a string",
    "pairs": "a table of strings, or a string with KEY=value per line",
}
_PAIR_KEY = re.compile(r"[^\s=#\"'][^\s=]*")
_INPUT = re.compile(r"input ['\"](?P<name>[a-z-]+)['\"]")


@dataclass(frozen=True)
class Setting:
    """The text of an input, and the table that sets it."""

    name: str
    text: str
    table: TomlTable = field(repr=False)


@dataclass(frozen=True)
class ManifestSettings:
    """The settings of a manifest by the input's name: for every environment, and for each one that has its own."""

    every: Mapping[str, Setting] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)

    @property
    def for_every_environment(self) -> ManifestSettings:
        """The settings without those of one environment, and without the choice of one."""
        return ManifestSettings({name: each for name, each in self.every.items() if name != ENVIRONMENT})

    def beside(self, given: Mapping[str, str]) -> dict[str, Setting]:
        """Return the settings that count where the inputs ``given`` take precedence.

        Those of the environment that is chosen, by an input or by a setting, take precedence over the others.
        """
        chosen = self.every.get(ENVIRONMENT)
        default = next(row.default for row in INPUTS if row.name == ENVIRONMENT)
        names = environment_names(given.get(ENVIRONMENT, chosen.text if chosen else ""))
        name = names[0] if names else default
        used = {**self.every, **self.environments.get(name, {})}
        return {key: setting for key, setting in used.items() if key not in given}


def read_settings(context: Path, manifest_path: str = "") -> ManifestSettings:
    """Return the settings of the workspace in ``context``; none if there is no workspace.

    Raises ``UserError`` for a manifest that cannot be read, and see ``settings_of``.
    """
    try:
        manifest = read_manifest(context, manifest_path)
    except NoWorkspaceError:
        return ManifestSettings()
    return settings_of(manifest)


def settings_of(manifest: Manifest) -> ManifestSettings:
    """Return the settings in a manifest.

    Raises ``UserError``, with the line if known, for an unknown key or environment, an input that a manifest
    cannot set, and a value of the wrong type. Whether the input accepts the value is not checked.
    """
    table = manifest.document.table("tool").table(TABLE)
    own = table.table(PER_ENVIRONMENT)
    if unknown := next((name for name in own.values if name not in manifest.environment_names), ""):
        raise own.error(
            f"there is no environment '{shortened(unknown)}'{did_you_mean(unknown, manifest.environment_names)}",
            unknown,
            hint=f"Environments of this workspace: {listed(manifest.environment_names)}.",
        )
    return ManifestSettings(
        {name: _setting(table, name) for name in table.values if name != PER_ENVIRONMENT},
        {name: _settings_of_environment(own.table(name)) for name in own.values},
    )


def located(error: UserError, used: Mapping[str, Setting]) -> UserError:
    """Return the error with file and line of the setting if it is about an input that has its value from there.

    A message about an input's value starts with the input's name.
    """
    about = _INPUT.match(error.message)
    setting = used.get(about["name"]) if about else None
    if not setting or error.file:
        return error
    table = setting.table
    return type(error)(error.message, hint=error.hint, file=table.file, line=table.line(setting.name))


def as_text(row: Input, value: object) -> str:
    """Return the text of an input's value as TOML has it. Raises ``UserError`` for a value of another kind."""
    return _text(row, TomlTable({row.name: value}, ""))


def _settings_of_environment(table: TomlTable) -> dict[str, Setting]:
    if ENVIRONMENT in table:
        raise table.error(
            f"'{table.dotted(ENVIRONMENT)}' has no effect: the table is for one environment", ENVIRONMENT
        )
    return {name: _setting(table, name) for name in table.values}


def _setting(table: TomlTable, name: str) -> Setting:
    rows = {row.name: row for row in INPUTS}
    if name not in rows:
        accepted = [row.name for row in INPUTS if row.is_setting]
        raise table.error(
            f"unknown setting '{shortened(name)}'{did_you_mean(name, accepted)}",
            name,
            hint="The keys are the names of the inputs; see docs/settings.md.",
        )
    row = rows[name]
    if row.is_secret:
        raise table.error(
            f"'{name}' is a secret, and cannot be set in a file that is committed",
            name,
            hint=f"Remove it here, and give it to the step, or to the command by the variable {row.variable}.",
        )
    if row.not_in_settings:
        raise table.error(
            f"'{name}' cannot be set in the manifest: {row.not_in_settings}",
            name,
            hint=f"Set it in the workflow, or on a laptop by --{name}.",
        )
    return Setting(name, _text(row, table), table)


def _text(row: Input, table: TomlTable) -> str:
    """Return the text of a value, as a workflow would give it. Raises ``UserError`` for one of another kind."""
    value: Any = table.values[row.name]
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        if row.kind == "flag":
            return str(value).lower()
    elif isinstance(value, int) and row.kind in {"text", "lines"}:
        return str(value)
    elif isinstance(value, float) and row.kind == "text":
        raise table.error(
            f"'{table.dotted(row.name)}' must be a string", row.name, hint=f'Write "{value}" in quotes.'
        )
    elif isinstance(value, list) and row.kind in {"lines", "words", "pairs"}:
        return _list_text(row, table, value)
    elif isinstance(value, dict) and row.kind == "pairs":
        return "\n".join(_pair(row, table, key) for key in value)
    raise table.wrong_type(row.name, _ACCEPTED[row.kind])


def _list_text(row: Input, table: TomlTable, items: list[Any]) -> str:
    if not items:
        raise table.error(
            f"'{table.dotted(row.name)}' is an empty list",
            row.name,
            hint='For the default, leave it out, or write "".',
        )
    if row.kind == "words":
        return json.dumps(table.strings(row.name))
    return "\n".join(_line(row, table, item) for item in items)


def _line(row: Input, table: TomlTable, item: object) -> str:
    """Return an item of a list as a line, which must be whole, and not be taken for a comment."""
    if isinstance(item, bool) or not isinstance(item, (str, int)):
        raise table.wrong_type(row.name, _ACCEPTED[row.kind])
    text = str(item)
    if len(text.splitlines()) != 1 or not text.strip() or text.strip().startswith("#"):
        raise table.error(
            f"an item of '{table.dotted(row.name)}' is empty, a comment, or has a line break: {shortened(text)!r}",
            row.name,
            hint="Each item is one entry of the input.",
        )
    return text


def _pair(row: Input, table: TomlTable, key: str) -> str:
    pairs = table.table(row.name)
    value: Any = pairs.values[key]
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, (str, int)):
        raise pairs.wrong_type(key, "a string")
    if not _PAIR_KEY.fullmatch(key):
        raise pairs.error(f"the key {shortened(key)!r} has white space, quotes, '=', or starts with '#'", key)
    if len(f"{value}.".splitlines()) != 1:
        raise pairs.error(f"the value of '{shortened(pairs.dotted(key))}' has a line break", key)
    return f"{key}={value}"

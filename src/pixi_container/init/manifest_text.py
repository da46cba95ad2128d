"""The settings' table as TOML, and a manifest with it; nothing else in the manifest changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomlkit
from tomlkit.exceptions import TOMLKitError

from pixi_container.errors import UserError
from pixi_container.settings import TABLE
from pixi_container.workspace.toml_table import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit.items import Item, Table

    from pixi_container.init.verdicts import Value

_LINE_LENGTH = 100


def settings_text(settings: Mapping[str, Value]) -> str:
    """Return the table ``[tool.pixi-container]``, which ends with a line break."""
    return f"[tool.{TABLE}]\n{tomlkit.dumps(_table(settings))}"


def with_settings(text: str, file: str, settings: Mapping[str, Value]) -> str:
    """Return the text of a manifest with the table: in place of the one that is there, or at its end.

    Raises ``UserError`` if the manifest could only be written with other changes.
    """
    before = parse_toml(text, file)
    if TABLE in before.table("tool"):
        changed = _replaced(text, file, settings)
    else:
        changed = f"{text.rstrip()}\n\n{settings_text(settings)}".lstrip()
    try:
        after = dict(parse_toml(changed, file).values)
    except UserError:
        after = {}
    tools = {name: value for name, value in after.get("tool", {}).items() if name != TABLE}
    others = {name: value for name, value in before.table("tool").values.items() if name != TABLE}
    if tools != others or {**after, "tool": 0} != {**before.values, "tool": 0}:
        raise UserError(
            "the settings cannot be added without changing other parts of the manifest",
            file=file,
            hint=f"Add them by hand:\n{settings_text(settings)}",
        )
    return changed


def _replaced(text: str, file: str, settings: Mapping[str, Value]) -> str:
    try:
        document = tomlkit.parse(text)
        tools = document["tool"]
        tools[TABLE] = _table(settings)
        return tomlkit.dumps(document)
    except (TOMLKitError, KeyError, TypeError) as error:
        raise UserError(
            f"the settings in the manifest cannot be replaced: {error}",
            file=file,
            hint=f"Write them by hand:\n{settings_text(settings)}",
        ) from error


def _table(settings: Mapping[str, Value]) -> Table:
    table = tomlkit.table()
    for name, value in settings.items():
        table.add(name, _item(value))
    return table


def _item(value: Value) -> Item:
    if isinstance(value, str):
        return tomlkit.string(value, multiline="\n" in value and "\r" not in value)
    if isinstance(value, list):
        items = tomlkit.array()
        items.extend(value)
        return items.multiline(multiline=len(items.as_string()) > _LINE_LENGTH)
    if isinstance(value, dict):
        pairs = tomlkit.inline_table()
        pairs.update(value)
        return pairs
    return tomlkit.item(value)

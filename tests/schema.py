"""The JSON schemas of the settings, from the table of inputs: ``python -m tests.documents`` writes them."""

from __future__ import annotations

import json
from typing import Any

from pixi_container.input_table import INPUTS, Input
from pixi_container.settings import ENVIRONMENT, PER_ENVIRONMENT, TABLE

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that the editors' TOML extensions support."""

PIXI = "https://pixi.sh/latest/schema/manifest/schema.json"
PYPROJECT = "https://json.schemastore.org/pyproject.json"

_LINE = {"type": "string", "pattern": r"^\s*[^\s#].*$"}
_ITEMS = {"type": "array", "minItems": 1, "items": {"anyOf": [_LINE, {"type": "integer"}]}}
_PAIRS = {
    "type": "object",
    "propertyNames": {"pattern": r"^[^\s=#\"'][^\s=]*$"},
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
}


def schemas() -> dict[str, str]:
    """Return the text of each file in ``schema``: the table's own, and one for each manifest that has it."""
    documents = {
        "pixi-container.json": _table_schema(),
        "pixi.json": _manifest_schema("pixi.toml with the settings of pixi-container", PIXI),
        "pyproject.json": _manifest_schema("pyproject.toml with the settings of pixi-container", PYPROJECT),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in documents.items()}


def _table_schema() -> dict[str, Any]:
    settings = {row.name: _value(row) for row in INPUTS if row.is_setting}
    own = {name: value for name, value in settings.items() if name != ENVIRONMENT}
    return {
        "$schema": DRAFT,
        "title": f"[tool.{TABLE}]",
        "description": "Settings of pixi-container: values of inputs by name. Inputs of the workflow, and flags, "
        "take precedence.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **settings,
            PER_ENVIRONMENT: {
                "description": "Settings for one environment each; they take precedence over the others.",
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": False, "properties": own},
            },
        },
    }


def _manifest_schema(title: str, base: str) -> dict[str, Any]:
    return {
        "$schema": DRAFT,
        "title": title,
        "allOf": [{"$ref": base}],
        "properties": {"tool": {"type": "object", "properties": {TABLE: {"$ref": "pixi-container.json"}}}},
    }


def _value(row: Input) -> dict[str, Any]:
    described = {"description": row.help, **({"default": _default(row)} if row.default else {})}
    text = {"type": "string"}
    if row.kind == "flag":
        return {**described, "enum": [True, False, "true", "false"]}
    if row.choices:
        return {**described, "enum": list(row.choices)}
    if row.kind == "lines":
        return {**described, "anyOf": [_ITEMS, text, {"type": "integer"}]}
    if row.kind == "words":
        return {**described, "anyOf": [{"type": "array", "minItems": 1, "items": text}, text]}
    if row.kind == "pairs":
        return {**described, "anyOf": [_PAIRS, _ITEMS, text]}
    return {**described, "type": ["string", "integer"]}


def _default(row: Input) -> str | bool:
    return row.default == "true" if row.kind == "flag" else row.default

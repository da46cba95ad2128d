"""The packages: each imports what stands above it in CONTRIBUTING, and nothing that stands below."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pixi_container"
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


# By its text, as `ruff format` leaves one form: parsing takes thirty times as long.
IMPORT = re.compile(r"^ *from pixi_container(?:\.(\w+)[\w.]*)? import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)


@cache
def stated_order() -> list[str]:
    """Return the names in the block of CONTRIBUTING that lists them, the lowest first."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    block = text.partition("<!-- order -->")[2].partition("<!-- /order -->")[0]
    return [line.split()[0] for line in block.splitlines() if line and not line.startswith("```")]


def imported(file: Path) -> set[str]:
    """Return the packages and top-level modules of ours that a file imports, for its types as well."""
    names = set()
    for package, several, one in IMPORT.findall(file.read_text("utf-8")):
        names |= {package} if package else set(re.findall(r"\w+", several or one))
    return names


def test_contributing_names_every_package_and_module() -> None:
    modules = [path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__"]
    assert sorted(stated_order()) == sorted([*PACKAGES, *modules])


def test_nothing_is_imported_from_above() -> None:
    order, from_above = stated_order(), {}
    for file in SOURCE.rglob("*.py"):
        place = file.relative_to(SOURCE)
        own = place.parts[0].removesuffix(".py")
        above = set(order[order.index(own) + 1 :]) if own in order else set()
        from_above[place.as_posix()] = imported(file) & above
    assert {file: names for file, names in from_above.items() if names} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_and_starts_nothing(package: str) -> None:
    """Start-up stays lazy: what a package is for is all that stands in its `__init__`."""
    tree = ast.parse((SOURCE / package / "__init__.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    assert package == "tags" or len(tree.body) == 1


def test_the_diagram_has_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    diagram = text.partition("```mermaid")[2].partition("```")[0]
    nodes = set(re.findall(r"^  (\w+) -->|(?:-->|\|) ?(\w+)$", diagram, re.MULTILINE))
    names = {name for pair in nodes for name in pair if name}
    assert names <= set(stated_order())
    assert set(PACKAGES) <= names
    table = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(table) == PACKAGES


@pytest.mark.slow
def test_no_class_has_the_name_of_another() -> None:
    trees = [ast.parse(file.read_text("utf-8")) for file in SOURCE.rglob("*.py")]
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert sorted(names) == sorted(set(names))

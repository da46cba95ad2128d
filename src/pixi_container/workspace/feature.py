"""A feature of the manifest: its targets, the platforms it is for, and its legacy system requirements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from pixi_container.workspace.toml_table import TomlTable

DEFAULT = "default"
"""The feature that is the root of the manifest, and the environment that always exists."""

_REQUIREMENTS = {"linux": "__linux", "cuda": "__cuda", "macos": "__osx"}


@dataclass(frozen=True)
class Feature:
    """A feature: its ``name``, empty for the content that stands in an environment, and its ``table``."""

    name: str
    table: TomlTable

    def __str__(self) -> str:
        kind, name = ("feature", self.name) if self.name else ("environment", self.table.keys[-1])
        return f"{kind} '{shortened(name)}'"

    @property
    def platforms(self) -> tuple[str, ...] | None:
        """The platforms it is for, None for all of the workspace's."""
        if self.name == DEFAULT or "platforms" not in self.table:
            return None
        return tuple(dict.fromkeys(self.table.strings("platforms")))

    @property
    def system_requirements(self) -> dict[str, str]:
        """The virtual packages that ``[system-requirements]`` asks for, with their versions.

        ``archspec`` is no longer used by Pixi; ``libc`` without a family is glibc
        (crates/pixi_manifest/src/system_requirements.rs).
        """
        table = self.table.table("system-requirements")
        versions = {package: version for key, package in _REQUIREMENTS.items() if (version := table.version(key))}
        if isinstance(table.values.get("libc"), dict):
            libc = table.table("libc")
            versions[f"__{libc.string('family') or 'glibc'}"] = libc.version("version")
        elif version := table.version("libc"):
            versions["__glibc"] = version
        return versions

    def targets(self, names: tuple[str, ...]) -> list[TomlTable]:
        """Return the feature's tables that hold on a platform of these names, conda's one last, best one first.

        The later of two matching targets in the document wins, the feature's own table comes last
        (crates/pixi_manifest/src/target.rs, ``resolve_for_platform``).
        """
        targets = self.table.table("target")
        matching = [targets.table(selector) for selector in targets.values if _selects(selector, names)]
        return [*reversed(matching), self.table]


def _matches(pattern: str, name: str) -> bool:
    """Tell whether ``*`` can stand for parts of the name; a regular expression would try every way."""
    first, *between, last = pattern.split("*")
    if not name.startswith(first) or not name.endswith(last) or len(first) + len(last) > len(name):
        return False
    at, end = len(first), len(name) - len(last)
    for part in between:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _selects(selector: str, names: tuple[str, ...]) -> bool:
    """Tell whether a target's selector means a platform: by name, conda's name, family, or ``*`` pattern."""
    system = names[-1].partition("-")[0]
    families = {"linux": {"linux"}, "osx": {"osx", "macos"}, "win": {"win"}}.get(system, set())
    if system != "win":
        families = families | {"unix"}
    if "*" in selector:
        return _matches(selector, names[0])
    return selector in names or selector in families

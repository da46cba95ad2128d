"""What the machine is to pixi: its platform, its virtual packages, its configuration and caches."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rattler import MatchSpec, PackageRecord, Subdir
from rattler.config import Config
from rattler.networking import Client
from rattler.virtual_package import VirtualPackage, VirtualPackageOverrides

from .errors import PixiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rattler import GenericVirtualPackage, RepoDataRecord

# Other names, such as __archspec and __unix, are never checked by pixi.
_CHECKED = ("__glibc", "__musl", "__eglibc", "__cuda", "__osx", "__win", "__linux")


def native_subdir() -> str:
    return str(Subdir.current())


def subdir() -> str:
    return os.environ.get("PIXI_OVERRIDE_PLATFORM") or native_subdir()


def virtual_packages() -> list[GenericVirtualPackage]:
    """The machine's, with CONDA_OVERRIDE_* applied."""
    return [found.into_generic() for found in VirtualPackage.detect(VirtualPackageOverrides.from_env())]


def check_requirements(environment: str, records: Iterable[RepoDataRecord]) -> None:
    """Raises PixiError when a record depends on a virtual package that this machine does not have."""
    available = virtual_packages()
    by_name = {package.name.normalized: package for package in available}
    for record in records:
        for text in record.depends:
            name = text.split()[0]
            if name not in _CHECKED:
                continue
            found = by_name.get(name)
            if found is None or not _satisfies(found, text):
                listed = ", ".join(f"{p.name.normalized}={p.version}={p.build_string}" for p in available)
                message = (
                    f"Virtual package '{text}' does not match any of the available virtual packages on your "
                    f"machine: [{listed}]"
                )
                variable = f"CONDA_OVERRIDE_{name.removeprefix('__').upper()}"
                version = re.search(r"\d[\d.]*", text)
                help_text = (
                    " You can mock the virtual package by overriding the environment variable, "
                    f"e.g.: '`{variable}={version.group() if version else 'VERSION'}`'"
                )
                raise PixiError(f"Cannot install environment '{environment}'", message, help_text=help_text)


def _satisfies(package: GenericVirtualPackage, text: str) -> bool:
    record = PackageRecord(
        name=package.name.normalized,
        version=str(package.version),
        build=package.build_string,
        build_number=0,
        subdir="noarch",
        arch=None,
        platform=None,
    )
    return MatchSpec(text).matches(record)


def has(customised: Iterable[tuple[str, str]]) -> bool:
    """Whether this machine has virtual packages (name, version) at least as new as those of a platform."""
    by_name = {package.name.normalized: package for package in virtual_packages()}
    return all(
        name in by_name and _satisfies(by_name[name], f"{name} >={version}") for name, version in customised
    )


def emoji(text: str) -> str:
    """The text where the console crate writes emojis: with a language in UTF-8.

    LC_CTYPE is left out, which Python itself sets where there is no other (PEP 538).
    """
    variables = (os.environ.get(name, "") for name in ("LC_ALL", "LANG"))
    language = next((value for value in variables if value), "")
    return text if language.upper().endswith(("UTF-8", "UTF8")) else ""


def config(root: Path) -> Config:
    """The configuration files that pixi reads, the workspace's own last (it wins)."""
    if os.environ.get("PIXI_NO_CONFIG", "").lower() in {"1", "true"}:
        return Config()
    home = os.environ.get("HOME", "")
    folders = [Path("/etc/pixi")]
    if home:
        folders += [Path(os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config", "pixi"), Path(home, ".pixi")]
    files = [path for folder in (*folders, root / ".pixi") if (path := folder / "config.toml").is_file()]
    return Config.load_from_files(list(files))


def client(root: Path) -> Client:
    """Applies mirrors, proxies and, through the library, RATTLER_AUTH_FILE."""
    return Client.from_config(config(root))


def cache_root() -> Path:
    """Raises PixiError when there is no place to keep a cache."""
    for variable in ("PIXI_CACHE_DIR", "RATTLER_CACHE_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable])
    home = os.environ.get("HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "")
    if not cache:
        raise PixiError("could not determine default cache directory")
    return Path(cache, "rattler", "cache")

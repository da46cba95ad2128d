"""The lock: the packages of an environment on a platform, and what they require of a machine."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import HOW_TO_FETCH_LFS, LFS_POINTER, LOCK_BYTES, read_text
from pixi_container.shortening import listed, shortened
from pixi_container.workspace.lock_commands import lock_command
from pixi_container.workspace.lock_sources import SourceRecord, source_records
from pixi_container.workspace.lock_text import check_lock_text
from pixi_container.workspace.platforms import Platform, Promise, parse_virtual_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rattler import LockFile, RepoDataRecord
    from rattler.lock import Environment as RattlerEnvironment
    from rattler.lock import LockedPackage as RattlerPackage
    from rattler.lock import LockPlatform, PypiLockedPackage

LOCK_NAME = "pixi.lock"

NEWEST_VERSION = 7
"""The newest supported version of the lock."""

DOCKER_PLATFORMS = {
    "linux-64": "linux/amd64",
    "linux-aarch64": "linux/arm64",
    "linux-ppc64le": "linux/ppc64le",
}
"""Docker's names of platforms, by conda's."""

_CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class LockedPackage:
    """One package of the lock. ``kind`` is ``conda`` or ``pypi``.

    ``size`` is that of the compressed file in bytes, or None if the lock has none, as for every PyPI package. The
    digests are hexadecimal, and empty if the lock has none. ``version`` is empty or ``<dynamic>`` if only the
    package's build determines it. ``from_source`` is true for a conda package that is built, not downloaded.
    ``asks`` are its dependencies on virtual packages, such as ``__glibc >=2.17,<3.0.a0``.
    """

    name: str
    version: str
    build: str
    kind: str
    size: int | None
    sha256: str
    md5: str
    location: str
    from_source: bool = False
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LockedPlatform:
    """One environment on one platform as locked, with its packages sorted by kind and name.

    ``name`` is the lock's own name of the platform (since version 7 an alias such as ``p1``), ``subdir`` is
    conda's.
    """

    name: str
    subdir: str
    packages: tuple[LockedPackage, ...]

    @property
    def docker(self) -> str:
        """Docker's name of the platform, empty if images do not support it."""
        return DOCKER_PLATFORMS.get(self.subdir, "")

    @cached_property
    def conda_packages(self) -> int:
        """The number of conda packages, each of which has a record in ``conda-meta`` once it is installed."""
        return sum(package.kind == "conda" for package in self.packages)

    @property
    def pypi_packages(self) -> int:
        """The number of PyPI packages."""
        return len(self.packages) - self.conda_packages

    @cached_property
    def download_size(self) -> int:
        """The compressed size of all conda packages in bytes; a lock has no sizes of PyPI packages."""
        return sum(package.size or 0 for package in self.packages)


@dataclass(frozen=True)
class LockRow:
    """A platform of an environment in the lock. ``rattler`` is py-rattler's key to its packages."""

    name: str
    subdir: str
    virtual_packages: tuple[str, ...]
    rattler: LockPlatform

    @cached_property
    def promises(self) -> frozenset[Promise]:
        """The virtual packages that it requires, comparable with ``Platform.promises``."""
        packages = parse_virtual_packages(self.virtual_packages, self.subdir)
        return Platform(self.name, self.subdir, packages).promises


@dataclass(frozen=True)
class Lock:
    """A lock of any version from 1 to 7, with its ``text``.

    py-rattler does not expose ``source_records`` and the names of ``editable`` packages, so these are read from
    it.
    """

    file: str
    version: int
    source_records: tuple[SourceRecord, ...]
    editable: frozenset[str]
    rattler: LockFile
    text: str = field(default="", repr=False)

    @cached_property
    def environment_names(self) -> tuple[str, ...]:
        """The names of all locked environments."""
        return tuple(sorted(name for name, _ in self.rattler.environments()))

    def rows(self, environment: str) -> tuple[LockRow, ...]:
        """Return the platforms of an environment, by name."""
        return tuple(
            LockRow(row.name, str(row.subdir), tuple(row.virtual_packages), row)
            for row in sorted(self._environment(environment).platforms(), key=lambda row: row.name)
        )

    def row(self, environment: str, rows: Sequence[LockRow], platform: Platform) -> LockRow | None:
        """Return the one of the environment's ``rows`` that is locked for a platform, or None.

        A row of the same subdir matches by name; else by equal virtual packages, whatever its name; else, as
        before version 7, by having the subdir as its name, if its virtual packages cover the platform's or are
        unknown (crates/pixi_core/src/lock_file: platform_rename.rs, and satisfiability/platform.rs,
        ``resolve_lock_platform_for``).
        """
        locked = self._environment(environment)
        promises = platform.promises
        of_subdir = [row for row in rows if row.subdir == platform.subdir]
        named = [row for row in of_subdir if row.name == platform.name]
        same = [row for row in of_subdir if row.virtual_packages and row.promises == promises]
        bare = [row for row in of_subdir if row.name == platform.subdir]
        covered = [row for row in bare if not row.virtual_packages or row.promises >= promises]
        candidates = (*named, *same, *covered)
        return next((row for row in candidates if locked.packages(row.rattler)), None)

    def read(self, environment: str, row: LockRow) -> LockedPlatform:
        """Return the packages of a row."""
        read = self.packages(environment, row)
        return LockedPlatform(
            name=row.name,
            subdir=row.subdir,
            packages=tuple(sorted(read, key=lambda package: (package.kind, package.name, package.build))),
        )

    def packages(self, environment: str, row: LockRow) -> tuple[LockedPackage, ...]:
        """Return the packages of a row in the lock's own order."""
        packages = self._environment(environment).packages(row.rattler) or []
        asks = {
            (record.name, record.location): record.asks
            for record in self.source_records
            if record.subdir in {"", row.subdir}
        }
        return tuple(_package(package, asks) for package in packages)

    def binary_records(self, environment: str, row: LockRow) -> tuple[RepoDataRecord, ...]:
        """Return what rattler knows of the conda packages of a row that are not built from source."""
        return tuple(self._environment(environment).conda_repodata_records_for_platform(row.rattler) or ())

    def is_empty(self, environment: str) -> bool:
        """Return whether the environment has no packages on any platform."""
        return not any(self._environment(environment).packages_by_platform().values())

    def check_environment(self, environment: str) -> None:
        """Raise ``UserError`` if the lock does not have the environment."""
        if environment not in self.environment_names:
            old = f" (lock version {self.version} has no environments)" if self.version < 4 else ""
            raise UserError(
                f"the lock has no environment '{shortened(environment)}'; it has "
                f"{listed(self.environment_names)}{old}",
                file=self.file,
                hint=f"Run `{lock_command(Path(self.file).parent)}` and commit {LOCK_NAME}.",
            )

    def _environment(self, name: str) -> RattlerEnvironment:
        environment = self.rattler.environment(name)
        if environment is None:
            raise KeyError(name)
        return environment


def read_lock(context: Path, folder: str = ".") -> Lock:
    """Return the lock in a folder of ``context``.

    Raises ``UserError`` if it is missing, leads out of the context, is a Git LFS pointer, has an unsupported
    version, has text that Pixi would not write, or cannot be parsed.
    """
    path = context / folder / LOCK_NAME
    text = _text(context, folder)
    version = _version(text)
    if version > NEWEST_VERSION:
        raise UserError(
            f"the lock has version {version}; versions up to {NEWEST_VERSION} are supported",
            file=str(path),
            line=_line(text, "version:"),
            hint="Use a newer release of this action, or write the lock with an older version of Pixi.",
        )
    if conflict := _CONFLICT.search(text):
        raise UserError(
            "the lock cannot be read: it has an unresolved merge conflict",
            file=str(path),
            line=text.count("\n", 0, conflict.start()) + 1,
            hint=f"Take one side with `git checkout --ours {shlex.quote(str(path))}`, run "
            f"`{lock_command(context / folder)}` and commit the result.",
        )
    check_lock_text(text, str(path))
    rattler = _parsed(path)
    records = source_records(text)
    editable = frozenset(record.name for record in records if record.editable)
    return Lock(str(path), version, records, editable, rattler, text)


def _parsed(path: Path) -> LockFile:
    """Return the parsed lock, whose text has been checked.

    The parser only takes a path. It must be absolute: with a relative one, the parser refuses a lock whose
    packages refer to each other by relative paths.
    """
    from rattler import LockFile
    from rattler.exceptions import ParseCondaLockError

    try:
        with _quiet_errors():
            return LockFile.from_path(path.absolute())
    except BaseException as error:
        # A panic in Rust raises a class that has no public name and is not an ``Exception``.
        if not isinstance(error, ParseCondaLockError) and type(error).__name__ != "PanicException":
            raise
        place = re.search(r"at line (\d{1,9})\b", str(error))
        raise UserError(
            f"the lock cannot be read: {shortened(' '.join(str(error).split()), 300)}",
            file=str(path),
            line=int(place[1]) if place else None,
            hint=f"Was it edited or merged by hand? Run `{lock_command(path.parent)}` and commit the result.",
        ) from error


@contextmanager
def _quiet_errors() -> Iterator[None]:
    """Discard what a panic prints directly to standard error: it quotes the lock."""
    with ExitStack() as after:
        # Standard error may be closed.
        with suppress(OSError):
            kept = os.dup(2)
            after.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            after.callback(os.close, nowhere)
            os.dup2(nowhere, 2)
            after.callback(os.dup2, kept, 2)
        yield


def _text(context: Path, folder: str) -> str:
    file = str(PurePosixPath(folder, LOCK_NAME))
    try:
        text = read_text(context, file, what="the lock", limit=LOCK_BYTES)
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {LOCK_NAME} in '{context / folder}'",
            hint=f"Run `{lock_command(context / folder)}` and commit {LOCK_NAME}: an image has what it locks.",
        ) from error
    if text.startswith(LFS_POINTER):
        raise UserError(
            "the lock is a Git LFS pointer, not the lock itself",
            file=str(context / file),
            hint=HOW_TO_FETCH_LFS,
        )
    # Git for Windows checks files out with CRLF.
    return text.replace("\r\n", "\n")


def _version(text: str) -> int:
    """Return the lock's version, zero if it has none; older locks have it in the last line."""
    version = re.search(r"^version: (\d{1,9})\s*$", text, re.MULTILINE)
    return int(version[1]) if version else 0


def _line(text: str, start: str) -> int | None:
    return next((number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start)), None)


def _package(package: RattlerPackage, asks: dict[tuple[str, str], tuple[str, ...]]) -> LockedPackage:
    from rattler.lock import CondaLockedPackage, CondaLockedSourcePackage, PypiLockedPackage

    name, location = package.name, package.location
    if isinstance(package, PypiLockedPackage):
        sha256, md5 = _pypi_digests(package)
        return LockedPackage(
            name=name,
            version=package.version,
            build="",
            kind="pypi",
            size=None,
            sha256=sha256,
            md5=md5,
            location=location,
        )
    record = package.package_record if isinstance(package, CondaLockedPackage) else None
    from_source = isinstance(package, CondaLockedSourcePackage)
    if record is None:
        return LockedPackage(
            name=name,
            version="",
            build="",
            kind="conda",
            size=None,
            sha256="",
            md5="",
            location=location,
            from_source=from_source,
            asks=asks.get((name, location), ()),
        )
    return LockedPackage(
        name=name,
        version=str(record.version),
        build=str(record.build),
        kind="conda",
        size=record.size,
        sha256=record.sha256.hex() if record.sha256 else "",
        md5=record.md5.hex() if record.md5 else "",
        location=location,
        from_source=from_source,
        asks=tuple(depend for depend in record.depends if depend.startswith("__")),
    )


def _pypi_digests(package: PypiLockedPackage) -> tuple[str, str]:
    try:
        hashes = package.hashes
        sha256, md5 = (hashes.sha256, hashes.md5) if hashes else (None, None)
    except AttributeError:  # py-rattler 0.28 wraps an absent value
        return "", ""
    return sha256.hex() if sha256 else "", md5.hex() if md5 else ""

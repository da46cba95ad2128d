"""What belongs to no package: the files by which pixi knows that an environment is the one of its lock.

Follows pixi's crates/pixi_core/src/environment and crates/pixi_utils/src/environment_fingerprint.rs, of 0.77.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.entries import PathEntry, text_entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixi_container.environment.records import CondaRecord
    from pixi_container.workspace.lock import LockedPackage

FILTERED = "invalid-hash"
"""What stands in place of the lock's hash where packages were left out, so that pixi looks at all of them."""

_CACHE_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by rattler.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n"
)
_HISTORY = "// not relevant for pixi but for `conda run -p`"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What pixi notes of an environment. ``manifest`` is its absolute path in the image.

    ``virtual_packages`` are those of the platform in the lock, ``requirements`` what packages ask of a machine.
    """

    manifest: str
    environment: str
    pixi_version: str
    lock_hash: str
    subdir: str
    virtual_packages: tuple[str, ...]
    requirements: tuple[str, ...]


def prefix_entries(
    prefix: str, installation: Installation, records: Iterable[CondaRecord]
) -> tuple[PathEntry, ...]:
    """Return the files below the prefix, in order of their paths."""
    platform = installation.subdir
    note = {
        "manifest_path": installation.manifest,
        "environment_name": installation.environment,
        "pixi_version": installation.pixi_version,
        "environment_lock_file_hash": installation.lock_hash,
        "resolved_platform": {"subdir": platform, "virtual_packages": list(installation.virtual_packages)},
        "minimum_supported_platform": {"subdir": platform, "requirements": list(installation.requirements)},
    }
    return (
        text_entry("CACHEDIR.TAG", _CACHE_TAG),
        text_entry("conda-meta/.pixi-environment-fingerprint", environment_fingerprint(records)),
        text_entry("conda-meta/history", _HISTORY),
        text_entry("conda-meta/pixi", json.dumps(note, indent=2, ensure_ascii=False)),
        text_entry("conda-meta/pixi_env_prefix", f"{prefix}/conda-meta"),
    )


def workspace_entries() -> tuple[PathEntry, ...]:
    """Return the files below the workspace's folder ``.pixi``, which pixi writes where they are missing."""
    return (
        text_entry(".condapackageignore", ".pixi\n!.pixi/config.toml\n"),
        text_entry(".gitignore", "*\n!config.toml\n"),
    )


def requirements(records: Iterable[CondaRecord]) -> tuple[str, ...]:
    """Return what the packages ask of a machine, such as ``__glibc >=2.17,<3.0.a0``."""
    asked = {text for record in records for text in record.fields.get("depends", ()) if text.startswith("__")}
    return tuple(sorted(asked))


def environment_fingerprint(records: Iterable[CondaRecord]) -> str:
    """Return pixi's fingerprint of the conda packages in a prefix, in whatever order they are given."""
    import xxhash

    state = xxhash.xxh3_64()
    for record in sorted(records, key=lambda record: record.name):
        state.update(_hashed_text(record.name))
        sha256 = record.fields.get("sha256")
        state.update(_hashed_bytes(sha256) if sha256 else b"\0")
    return f"{state.intdigest():016x}"


def lock_hash(packages: Iterable[LockedPackage], subdir: str, virtual_packages: Iterable[str]) -> str:
    """Return pixi's hash of an environment in the lock; the ``packages`` have to be in the lock's order."""
    import xxhash

    state = xxhash.xxh3_64()
    for package in packages:
        state.update(_hashed_text(package.location))
        digest = package.sha256 or package.md5
        if package.kind == "conda" and digest:
            state.update(_hashed_bytes(digest))
    for text in (subdir, *sorted(virtual_packages)):
        state.update(_hashed_text(text))
    return f"{state.intdigest():x}"


def _hashed_text(text: str) -> bytes:
    """Return what Rust feeds a hasher with for a ``str``."""
    return text.encode() + b"\xff"


def _hashed_bytes(digest: str) -> bytes:
    """Return what Rust feeds a hasher with for the bytes of a hexadecimal digest, on 64-bit machines."""
    content = bytes.fromhex(digest)
    return len(content).to_bytes(8, "little") + content

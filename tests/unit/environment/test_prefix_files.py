"""The files by which pixi knows an environment are those that it writes itself."""

from __future__ import annotations

import json
import random

import pytest
import xxhash

from pixi_container.environment.prefix_files import (
    Installation,
    environment_fingerprint,
    lock_hash,
    prefix_entries,
    requirements,
    workspace_entries,
)
from pixi_container.environment.records import CondaRecord
from pixi_container.workspace.lock import LockedPackage
from tests.unit.environment import trees

PREFIX = "/app/.pixi/envs/default"
SHA256 = "11" * 32


def record(name: str, sha256: str = SHA256, depends: tuple[str, ...] = ()) -> CondaRecord:
    return CondaRecord(name, "1.0", "0", {"name": name, "sha256": sha256, "depends": list(depends)})


def package(kind: str, location: str, sha256: str = "", md5: str = "") -> LockedPackage:
    return LockedPackage(
        name="x", version="1", build="0", kind=kind, size=None, sha256=sha256, md5=md5, location=location
    )


def test_the_library_has_the_hash_that_pixi_uses() -> None:
    """The values are of the reference implementation, XXH3_64bits without a seed."""
    assert xxhash.xxh3_64_hexdigest(b"") == "2d06800538d394c2"
    assert xxhash.xxh3_64_hexdigest(b"a") == "e6c632b61e964e1f"


FINGERPRINTS = [
    ([], b""),
    ([record("a")], b"a\xff" + b"\x20" + bytes(7) + b"\x11" * 32),
    ([record("a", "")], b"a\xff\0"),
    ([record("b", ""), record("a-x", "")], b"a-x\xff\0b\xff\0"),
]


@pytest.mark.parametrize(("records", "hashed"), FINGERPRINTS)
def test_the_fingerprint_of_an_environment(records: list[CondaRecord], hashed: bytes) -> None:
    """Each name as Rust hashes a text, each digest as Rust hashes bytes: after their count in eight bytes."""
    assert environment_fingerprint(records) == f"{xxhash.xxh3_64_intdigest(hashed):016x}"


def test_the_fingerprint_knows_no_order() -> None:
    records = [record(f"p{number}", f"{number:064x}") for number in range(50)]
    expected = environment_fingerprint(records)
    random.Random(1).shuffle(records)  # noqa: S311
    assert environment_fingerprint(records) == expected == "d494508c9b5140d7"


LOCKS = [
    ([], "linux-64", [], b"linux-64\xff"),
    ([package("conda", "u", SHA256, "22" * 16)], "s", [], b"u\xff\x20" + bytes(7) + b"\x11" * 32 + b"s\xff"),
    ([package("conda", "u", "", "22" * 16)], "s", [], b"u\xff\x10" + bytes(7) + b"\x22" * 16 + b"s\xff"),
    ([package("conda", "u")], "s", [], b"u\xffs\xff"),
    ([package("pypi", "u", SHA256)], "s", [], b"u\xffs\xff"),
    ([package("pypi", "b"), package("pypi", "a")], "s", [], b"b\xffa\xffs\xff"),
    ([], "s", ["__linux=5.10=0", "__glibc=2.28=0"], b"s\xff__glibc=2.28=0\xff__linux=5.10=0\xff"),
]


@pytest.mark.parametrize(("packages", "subdir", "virtual", "hashed"), LOCKS)
def test_the_hash_of_a_lock(packages: list[LockedPackage], subdir: str, virtual: list[str], hashed: bytes) -> None:
    assert lock_hash(packages, subdir, virtual) == f"{xxhash.xxh3_64_intdigest(hashed):x}"


def test_the_hash_of_a_lock_has_no_leading_zeros() -> None:
    hashes = [lock_hash([], f"linux-{number}", []) for number in range(64)]
    assert min(map(len, hashes)) < 16
    assert not any(each.startswith("0") for each in hashes)


def test_what_packages_ask_of_a_machine() -> None:
    asked = requirements(
        [record("a", depends=("__glibc >=2.28", "b")), record("b", depends=("__cuda", "__glibc >=2.28"))]
    )
    assert asked == ("__cuda", "__glibc >=2.28")


def test_the_files_of_a_prefix() -> None:
    installation = Installation(
        manifest="/app/pixi.toml",
        environment="default",
        pixi_version="0.77.0",
        lock_hash="abc",
        subdir="linux-64",
        virtual_packages=("__linux=5.10=0",),
        requirements=("__glibc >=2.28",),
    )
    entries = prefix_entries(PREFIX, installation, [record("a")])
    files = {path: node.content.decode() for path, node in trees.of_entries(entries).items()}
    assert list(files) == sorted(files)
    assert {entry.mode for entry in entries} == {0o644}
    assert files.pop("CACHEDIR.TAG").startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert files["conda-meta/pixi"].startswith('{\n  "manifest_path": "/app/pixi.toml",\n')
    assert json.loads(files.pop("conda-meta/pixi")) == {
        "manifest_path": "/app/pixi.toml",
        "environment_name": "default",
        "pixi_version": "0.77.0",
        "environment_lock_file_hash": "abc",
        "resolved_platform": {"subdir": "linux-64", "virtual_packages": ["__linux=5.10=0"]},
        "minimum_supported_platform": {"subdir": "linux-64", "requirements": ["__glibc >=2.28"]},
    }
    assert files == {
        "conda-meta/.pixi-environment-fingerprint": environment_fingerprint([record("a")]),
        "conda-meta/history": "// not relevant for pixi but for `conda run -p`",
        "conda-meta/pixi_env_prefix": f"{PREFIX}/conda-meta",
    }


def test_the_files_of_a_workspace() -> None:
    files = {path: node.content for path, node in trees.of_entries(workspace_entries()).items()}
    assert files == {
        ".condapackageignore": b".pixi\n!.pixi/config.toml\n",
        ".gitignore": b"*\n!config.toml\n",
    }

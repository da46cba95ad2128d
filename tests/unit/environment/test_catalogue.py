"""The catalogue beside an image: what it tells of packages, and when it is still true."""

from __future__ import annotations

import lzma
from dataclasses import replace

import pytest

from pixi_container.environment import catalogue
from pixi_container.environment.catalogue import PackageFiles, catalogue_bytes, identity, read_catalogue
from pixi_container.environment.clobbers import PathTable
from pixi_container.environment.package_metadata import Python
from pixi_container.environment.records import CondaRecord
from pixi_container.workspace.lock import LockedPackage

HOOKED = "etc/conda/env_vars.d/x.json"
FILES = {
    "conda:a": PackageFiles("1", PathTable("conda:a", ("lib/a",), ("bin/a",), ("empty",)), {HOOKED: b"\xff{}"}),
    "pypi:b": PackageFiles("2", PathTable("pypi:b", ("b.py",), contents={"b.py": "abc"})),
}
PACKAGE = LockedPackage(
    name="a", version="1", build="0", kind="conda", size=1, sha256="00", md5="", location="https://host/a.conda"
)
PYTHON = Python("3.11", "lib/python3.11/site-packages")
NOARCH = CondaRecord("a", "1", "0", {"noarch": "python"})
BINARY = CondaRecord("a", "1", "0", {})


def test_it_is_read_as_it_was_written() -> None:
    content = catalogue_bytes(FILES)
    assert read_catalogue(content) == FILES
    assert catalogue_bytes(dict(reversed(FILES.items()))) == content


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", catalogue_bytes(FILES)[:-9], lzma.compress(b"[]"), lzma.compress(b'{"tables": {}}')],
)
def test_anything_else_is_none(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_catalogue(content)


@pytest.mark.parametrize(
    "path",
    ["/etc/x", "etc/x", "etc/conda/env_vars.d/../../../x", "etc/conda/env_vars.d//x", "etc/conda/activate.d/a\0b"],
)
def test_no_file_of_it_leads_elsewhere(path: str) -> None:
    hostile = replace(FILES["conda:a"], activation={HOOKED: b"", path: b""})
    with pytest.raises(ValueError, match="leads elsewhere"):
        read_catalogue(catalogue_bytes({"conda:a": hostile}))


def test_it_is_not_unpacked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "LARGEST", 1000)
    with pytest.raises(ValueError, match="does not end"):
        read_catalogue(lzma.compress(b" " * 100_000))


@pytest.mark.parametrize(
    ("other", "record", "prefix", "python", "same"),
    [
        (PACKAGE, BINARY, "/app", PYTHON, True),
        (PACKAGE, BINARY, "/app", None, True),
        (PACKAGE, BINARY, "/other", PYTHON, False),
        (replace(PACKAGE, sha256="11"), BINARY, "/app", PYTHON, False),
        (replace(PACKAGE, location="https://other/a.conda"), BINARY, "/app", PYTHON, False),
        (PACKAGE, NOARCH, "/app", PYTHON, False),
    ],
)
def test_a_package_is_the_same_while_its_files_are(
    other: LockedPackage, record: CondaRecord, prefix: str, python: Python | None, *, same: bool
) -> None:
    assert (identity(PACKAGE, BINARY, "/app", PYTHON) == identity(other, record, prefix, python)) == same


@pytest.mark.parametrize("record", [NOARCH, None])
def test_what_is_for_python_changes_with_it(record: CondaRecord | None) -> None:
    pythons = (PYTHON, Python("3.12", "lib/python3.12/site-packages"), replace(PYTHON, site_packages="lib/x"))
    assert len({identity(PACKAGE, record, "/app", python) for python in pythons}) == 3


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("etc/conda/activate.d/a.sh", True),
        ("etc/conda/activate.d/more/a.sh", True),
        ("etc/conda/env_vars.d/a.json", True),
        ("etc/conda/activate.d/./a", False),
        ("etc/conda/activate.d/", False),
        ("etc/conda/deactivate.d/a.sh", False),
        ("x/etc/conda/activate.d/a.sh", False),
    ],
)
def test_only_what_activates_is_kept(path: str, is_one: bool) -> None:
    content = catalogue_bytes({"conda:a": replace(FILES["conda:a"], activation={path: b"x"})})
    if is_one:
        assert read_catalogue(content)["conda:a"].activation == {path: b"x"}
    else:
        with pytest.raises(ValueError, match="leads elsewhere"):
            read_catalogue(content)


def test_any_byte_of_a_file_is_kept() -> None:
    files = {"conda:a": replace(FILES["conda:a"], activation={HOOKED: bytes(range(256))})}
    assert read_catalogue(catalogue_bytes(files)) == files


def test_a_catalogue_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    text = lzma.decompress(catalogue_bytes(FILES))
    monkeypatch.setattr(catalogue, "LARGEST", len(text) + 1)
    assert read_catalogue(lzma.compress(text)) == FILES
    monkeypatch.setattr(catalogue, "LARGEST", len(text) - 1)
    with pytest.raises(ValueError, match="does not end"):
        read_catalogue(lzma.compress(text))


def test_identities_are_those_of_every_release() -> None:
    """Where this fails, no package of an image before is known any more, and all of them are downloaded again."""
    made = [identity(PACKAGE, record, "/app", PYTHON)[:8] for record in (BINARY, NOARCH, None)]
    assert made == ["937113fa", "e91c8170", "e91c8170"]
    assert len(identity(PACKAGE, BINARY, "/app", None)) == 64

"""What a wheel may call its files and commands, and what is read of its metadata."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pixi_container.environment import wheels
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError
from tests.unit.environment.archives import wheel
from tests.unit.environment.test_wheels import PREFIX, PYTHON, installed

PYTHON_S_OWN = [
    "python",
    "pythonw",
    "python3",
    "python3.11",
    "python3.9",
    "pythonw3.13t",
    "python3.13t",
    "graalpy",
    "pypy",
    "pypy2",
    "pypy3",
]
NOT_PYTHON_S = ["python4", "pythonw3", "python3.1111", "pypy4", "pypy3.9", "python3x", "mypython", "python-config"]


@pytest.mark.parametrize("suffix", ["", ".exe", ".py"])
@pytest.mark.parametrize("name", PYTHON_S_OWN)
def test_no_wheel_takes_the_place_of_python(tmp_path: Path, name: str, suffix: str) -> None:
    path = wheel(tmp_path, "a", {f"a-1.0.data/data/bin/{name}{suffix}": "x"})
    with pytest.raises(BrokenPackageError, match="which is Python's own"):
        installed(path, PREFIX)


@pytest.mark.parametrize("name", NOT_PYTHON_S)
def test_a_command_may_be_called_nearly_like_python(tmp_path: Path, name: str) -> None:
    files: dict[str, bytes | str] = {f"a-1.0.data/data/bin/{name}": "x", "a-1.0.data/data/share/python": "x"}
    assert {f"bin/{name}", "share/python"} <= installed(wheel(tmp_path, "a", files), PREFIX).keys()


@pytest.mark.parametrize("path", ["conda-meta/x", "__clobbers__/a/x", "CACHEDIR.TAG"])
def test_what_pixi_writes_is_no_file_of_a_wheel(tmp_path: Path, path: str) -> None:
    made = wheel(tmp_path, "a", {f"a-1.0.data/data/{path}": "x"})
    with pytest.raises(NotDirectError, match=f"has {path}, which is pixi's own to write"):
        installed(made, PREFIX)
    assert f"share/{path}" in installed(wheel(tmp_path, "b", {f"b-1.0.data/data/share/{path}": "x"}), PREFIX)


@pytest.mark.parametrize(
    ("version", "is_known"),
    [
        ("1.0", True),
        ("1.9", True),
        ("1.10", True),
        ("0.1", True),
        ("1.", False),
        ("1", False),
        ("0.2", False),
        ("2.0", False),
        ("1.0 ", True),
    ],
)
def test_which_forms_of_wheels_are_known(tmp_path: Path, version: str, is_known: bool) -> None:
    made = wheel(tmp_path, "a", {}, wheel_file=f"Name: x\nWheel-Version:\t{version}\nWheel-Version: 7.0\n")
    if is_known:
        assert installed(made, PREFIX)
    else:
        with pytest.raises(BrokenPackageError, match="its form has version"):
            installed(made, PREFIX)


@pytest.mark.parametrize(
    ("line", "module", "function"),
    [
        ("x = a:b", "a", "b"),
        ("x=a:b", "a", "b"),
        (" = a:b", "", ""),
        ("x = a.b : c.d", "a.b", "c"),
        ("x = a-b:c", "a-b", "c"),
        ("x = a:b[more]", "a", "b"),
        ("x = a:b  [more, than] ", "a", "b"),
        ("x = a:", "", ""),
        ("x = :b", "", ""),
        (". = a:b", "", ""),
        (".. = a:b", "", ""),
        ("x/y = a:b", "", ""),
        ("x\\y = a:b", "", ""),
    ],
)
def test_which_commands_a_wheel_may_have(tmp_path: Path, line: str, module: str, function: str) -> None:
    made = wheel(tmp_path, "a", {"a-1.0.dist-info/entry_points.txt": f"[ console_scripts ]\n{line}\n"})
    if not module:
        with pytest.raises(NotDirectError, match="has the command"):
            installed(made, PREFIX)
        return
    launcher = installed(made, PREFIX)["bin/x"]
    assert f"\nfrom {module} import {function}\n" in launcher.content.decode()
    assert launcher.mode == 0o755


def test_a_command_of_both_kinds_is_left_to_pixi(tmp_path: Path) -> None:
    points = "[console_scripts]\nx = a:b\n[gui_scripts]\nx = a:b\n"
    with pytest.raises(NotDirectError, match="has a command twice"):
        installed(wheel(tmp_path, "a", {"a-1.0.dist-info/entry_points.txt": points}), PREFIX)


@pytest.mark.parametrize(
    ("packaged", "is_replaced"),
    [
        ("x", True),
        ("x.exe", True),
        ("x-script.py", True),
        ("x.pya", True),
        ("x.py", False),
        ("x-script.pyw", False),
    ],
)
def test_a_launcher_takes_the_place_of_a_packaged_one(tmp_path: Path, packaged: str, is_replaced: bool) -> None:
    files: dict[str, bytes | str] = {
        f"a-1.0.data/scripts/{packaged}": "old",
        "a-1.0.dist-info/entry_points.txt": "[console_scripts]\nx = a:b\n",
    }
    nodes = installed(wheel(tmp_path, "a", files), PREFIX)
    assert (f"bin/{packaged}" not in nodes or nodes[f"bin/{packaged}"].content != b"old") is is_replaced


@pytest.mark.parametrize(
    ("size", "is_sound"), [("", True), ("9" * 18, True), ("9" * 19, False), ("+1", False), ("1.0", False)]
)
def test_a_size_in_record_is_a_number(tmp_path: Path, size: str, is_sound: bool) -> None:
    made = wheel(tmp_path, "a", {"a.py": "x"}, record=f"a.py,sha256=x,{size}\n")
    if is_sound:
        content = installed(made, PREFIX)[f"{PYTHON.site_packages}/a-1.0.dist-info/RECORD"].content
        assert f"a.py,sha256=x,{size}\n".encode() in content
    else:
        with pytest.raises(BrokenPackageError, match="its RECORD has the line"):
            installed(made, PREFIX)


def test_metadata_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = wheel(tmp_path, "a", {})
    largest = max(map(len, metadata_of(made)))
    monkeypatch.setattr(wheels, "_METADATA_BYTES", largest)
    assert installed(made, PREFIX)
    monkeypatch.setattr(wheels, "_METADATA_BYTES", largest - 1)
    with pytest.raises(BrokenPackageError, match=rf"a-1\.0\.dist-info/\w+ has {largest} bytes"):
        installed(made, PREFIX)


def metadata_of(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as file:
        return [file.read(name) for name in file.namelist() if ".dist-info/" in name]


def test_where_a_wheel_comes_from_is_noted_only_for_one_by_url(tmp_path: Path) -> None:
    assert not any(path.endswith("direct_url.json") for path in installed(wheel(tmp_path, "a", {}), PREFIX))


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o100644, 0o644), (0o100755, 0o755), (0o100654, 0o755), (0o100645, 0o755), (0, 0o644)]
)
def test_a_file_that_anybody_may_start_is_for_everybody(tmp_path: Path, mode: int, kept: int) -> None:
    path = wheel(tmp_path, "a", {})
    with zipfile.ZipFile(path, "a") as file:
        info = zipfile.ZipInfo("a/run")
        info.external_attr = mode << 16
        file.writestr(info, "x")
    assert installed(path, PREFIX)[f"{PYTHON.site_packages}/a/run"].mode == kept


@pytest.mark.parametrize("name", ["RECORD.jws", "RECORD.p7s"])
def test_a_signature_has_no_line_in_record(tmp_path: Path, name: str) -> None:
    nodes = installed(wheel(tmp_path, "a", {f"a-1.0.dist-info/{name}": "x"}, record=""), PREFIX)
    folder = f"{PYTHON.site_packages}/a-1.0.dist-info"
    assert f"{folder}/{name}" in nodes
    assert name.encode() not in nodes[f"{folder}/RECORD"].content


@pytest.mark.parametrize("comment", ["# x = 1", "; x = 1", "  # x = 1", "", "  "])
def test_a_comment_is_no_command(tmp_path: Path, comment: str) -> None:
    points = f"[console_scripts]\n{comment}\nx = a:b\n"
    nodes = installed(wheel(tmp_path, "a", {"a-1.0.dist-info/entry_points.txt": points}), PREFIX)
    assert [path for path in nodes if path.startswith("bin/")] == ["bin/x"]


@pytest.mark.parametrize("path", ["a\\b", "a\0b", "./a", "a/./b", "..", "a/.."])
def test_no_path_of_a_wheel_leads_elsewhere(path: str) -> None:
    opened = object.__new__(wheels.Wheel)
    opened.name = "a.whl"
    with pytest.raises(BrokenPackageError, match="leads out of the environment"):
        opened._inside("lib", path)
    assert opened._inside("lib", "a/b..c/.d") == "lib/a/b..c/.d"

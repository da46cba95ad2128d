"""Wheels are installed as uv does it for pixi: file by file, with every launcher and RECORD to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.clobbers import PathTable, lost_paths
from pixi_container.environment.entries import EARLIEST
from pixi_container.environment.package_metadata import Python
from pixi_container.environment.refusals import BrokenPackageError, NotDirectError
from pixi_container.environment.wheels import open_wheel
from tests.unit.environment import trees
from tests.unit.environment.archives import wheel

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = Python(VERSION, f"lib/python{VERSION}/site-packages")
PREFIX = "/app/.pixi/envs/default"
ENTRY_POINTS = """\
# a comment
[other.group]
x = y

[console_scripts]
tool = tool.cli:main
tool-Dotted = tool.cli : Main.run [extra, more]
; another
tool.py=tool.cli:main [extra]
[gui_scripts]
tool-gui = tool.gui:main
"""

SOUND: dict[str, tuple[dict[str, bytes | str], dict[str, Any]]] = {
    "plain": ({"plain/__init__.py": "x = 1\n", "plain/data.bin": bytes(range(256)), "plain.py": ""}, {}),
    "empty": ({}, {}),
    "programs": ({"programs/run": "#!/bin/sh\n", "programs/not": "x"}, {"programs": ("programs/run",)}),
    "commands": ({"tool/__init__.py": "", "commands-1.0.dist-info/entry_points.txt": ENTRY_POINTS}, {}),
    "windows": (
        {"windows-1.0.dist-info/entry_points.txt": ENTRY_POINTS.replace("tool", "win").replace("\n", "\r\n")},
        {},
    ),
    "schemes": (
        {
            "schemes-1.0.data/scripts/python-script": "#!python\nprint(1)\n",
            "schemes-1.0.data/scripts/gui-script": "#!pythonw -x\r\nprint(1)\r\n",
            "schemes-1.0.data/scripts/shell": "#!/bin/sh\necho\n",
            "schemes-1.0.data/scripts/short": "#!py",
            "schemes-1.0.data/scripts/no-newline": "#!python",
            "schemes-1.0.data/scripts/binary": b"\x7fELF" + bytes(3_000_000),
            "schemes-1.0.data/data/share/schemes/x.txt": "data",
            "schemes-1.0.data/data/etc/top": "data",
            "schemes-1.0.data/purelib/pure_part/__init__.py": "pure",
            "schemes-1.0.data/platlib/plat_part.py": "plat",
            "schemes/__init__.py": "",
        },
        {"programs": ("schemes-1.0.data/scripts/binary", "schemes-1.0.data/data/etc/top")},
    ),
    "replaced": (
        {
            "replaced-1.0.data/scripts/replaced": "#!python\nold launcher\n",
            "replaced-1.0.data/scripts/replaced.exe": b"MZ",
            "replaced-1.0.data/scripts/replaced-script.py": "old",
            "replaced-1.0.data/scripts/kept": "#!/bin/sh\n",
            "replaced-1.0.dist-info/entry_points.txt": "[console_scripts]\nreplaced = a:b\n",
        },
        {},
    ),
    "odd": (
        {
            'odd/with "quotes".txt': "1",
            "odd/with, comma.txt": "2",
            "odd/ä \U0001f40d.txt": "3",
            "odd/'single' #.txt": "4",
            "odd/" + "deep/" * 40 + "x": "5",
        },
        {},
    ),
    "Mixed_Case.Name": (
        {"mixed.py": "", "Mixed_Case.Name-1.0.data/scripts/mixed": "#!python\n"},
        {"project": "Mixed_Case.Name"},
    ),
    "pip": (
        {
            "pip-1.0.dist-info/entry_points.txt": "[console_scripts]\npip = p:m\npip3 = p:m3\n"
            "pip3.7 = p:m\npip3.x = p:x\n"
        },
        {},
    ),
    "unsigned": (
        {"unsigned/a.py": "a", "unsigned-1.0.dist-info/RECORD.jws": "x", "unsigned-1.0.data/data/share/u": "u"},
        {"record": "unsigned/a.py,,\n/unsigned-1.0.dist-info/WHEEL,,\ngone.py,sha256=x,1\n"},
    ),
    "twice": (
        {"twice/a.py": "a", "twice/b.py": "b"},
        {"record": "./twice/a.py,sha256=x,1\n\ntwice/a.py,sha256=y,2\ntwice/b.py,sha256=z,\n"},
    ),
    "none": ({"none/a.py": "a"}, {"record": ""}),
    "folders": (
        {
            "folders/empty/": "",
            "folders-1.0.data/": "",
            "folders-1.0.data/data/": "",
            "folders-1.0.data/data/share/empty in data/": "",
            "folders-1.0.data/scripts/": "",
            "folders-1.0.data/purelib/empty in purelib/": "",
        },
        {"record": "folders-1.0.dist-info/RECORD,,\n"},
    ),
    "platform": ({"plat.so": b"\x7fELF"}, {"wheel_file": "Wheel-Version: 1.9\nRoot-Is-Purelib: false\n"}),
}


_METADATA = {f"{PYTHON.site_packages}/empty-1.0.dist-info"}


def without_local_files(nodes: dict[str, trees.Node], before: set[str]) -> dict[str, trees.Node]:
    """Return what is new, without what uv notes of wheels that are files on this machine."""
    kept = {}
    for path, node in nodes.items():
        if path in before or path == ".lock" or path.endswith("/uv_cache.json"):
            continue
        lines = node.content.splitlines(keepends=True) if path.endswith("/RECORD") else [node.content]
        kept[path] = replace(node, content=b"".join(line for line in lines if b"/uv_cache.json," not in line))
    return kept


@pytest.fixture(scope="session")
def by_uv(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path], dict[str, trees.Node]]:
    """Return a virtual environment, the wheels by name, and all that uv has put there."""
    folder = tmp_path_factory.mktemp("wheels")
    made = {name: wheel(folder / "wheels", name, files, **more) for name, (files, more) in SOUND.items()}
    prefix = folder / "environment"
    _uv("venv", "--python", sys.executable, str(prefix), folder=folder)
    empty = set(trees.of_folder(prefix))
    options = ("--no-deps", "--find-links", str(folder / "wheels"), "--python", str(prefix / PYTHON.program))
    _uv("pip", "install", *options, *made, folder=folder)
    return prefix, made, without_local_files(trees.of_folder(prefix), empty)


def _uv(*arguments: str, folder: Path) -> None:
    program = Path(sys.executable).with_name("uv")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "UV_OFFLINE": "1", "UV_NO_INDEX": "1"}
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def installed(path: Path, prefix: str, **more: str) -> dict[str, trees.Node]:
    with open_wheel(path, PYTHON) as opened:
        nodes = trees.of_entries(opened.entries(prefix, **more))
        assert set(nodes) == set(opened.paths("x").files) | {
            path for path in nodes if path.endswith("direct_url.json")
        }
    return nodes


@pytest.mark.slow
def test_wheels_are_installed_as_uv_does(by_uv: tuple[Path, dict[str, Path], dict[str, trees.Node]]) -> None:
    prefix, made, theirs = by_uv
    ours: dict[str, trees.Node] = {}
    for each in made.values():
        nodes = installed(each, str(prefix), installer="uv")
        assert not ours.keys() & nodes.keys()
        ours |= nodes
    assert set(ours) ^ set(theirs) == set()
    empty = {path.relative_to(prefix).as_posix() for path in prefix.rglob("empty*") if path.is_dir()}
    with open_wheel(made["folders"], PYTHON) as opened:
        assert {entry.path for entry in opened.entries(PREFIX) if "/empty" in entry.path} == empty - _METADATA
    assert len(empty - _METADATA) == 3
    assert {node.mtime for node in ours.values()} == {EARLIEST}
    for path, node in theirs.items():
        assert ours[path].content.decode("latin-1") == node.content.decode("latin-1"), path
        assert ours[path] == replace(node, mtime=EARLIEST), path


SPACED = "/my app/it's"
LAUNCHERS = [
    # The prefix, and the first line of a launcher.
    (PREFIX, f"#!{PREFIX}/bin/python{VERSION}\n"),
    ("/" + "p" * 108, f"#!/{'p' * 108}/bin/python{VERSION}\n"),
    (
        "/" + "p" * 109,
        f"#!/bin/sh\n'''exec' '/{'p' * 109}/bin/python{VERSION}' \"$0\" \"$@\"\n' '''\n",
    ),
    (SPACED, f"#!/bin/sh\n'''exec' '/my app/it'\"'\"'s/bin/python{VERSION}' \"$0\" \"$@\"\n' '''\n"),
]


@pytest.mark.parametrize(("prefix", "first"), LAUNCHERS)
def test_a_launcher_finds_python_below_any_prefix(tmp_path: Path, prefix: str, first: str) -> None:
    files: dict[str, bytes | str] = {
        "a-1.0.dist-info/entry_points.txt": "[console_scripts]\na = a:b\n",
        "a-1.0.data/scripts/b": "#!python -s\n",
    }
    nodes = installed(wheel(tmp_path, "a", files), prefix)
    assert (
        nodes["bin/a"]
        .content.decode()
        .startswith(f"{first}# -*- coding: utf-8 -*-\nimport sys\nfrom a import b\n")
    )
    assert nodes["bin/b"].content.decode() == first


def test_headers_go_where_python_has_its_own(tmp_path: Path) -> None:
    path = wheel(tmp_path, "a_B", {"a_B-1.0.data/headers/x/y.h": "h"}, project="a_B.c")
    assert f"include/python{VERSION}/a-b-c/x/y.h" in installed(path, PREFIX)
    threaded = Python("3.13", "lib/python3.13t/site-packages")
    with open_wheel(path, threaded) as opened:
        assert "include/python3.13t/a-b-c/x/y.h" in opened.paths("a").files


def test_what_pixi_notes_of_a_wheel(tmp_path: Path) -> None:
    url = "https://example.org/ä/a-1.0-py3-none-any.whl"
    nodes = installed(wheel(tmp_path, "a", {}), PREFIX, direct_url=url)
    place = f"{PYTHON.site_packages}/a-1.0.dist-info"
    assert nodes[f"{place}/INSTALLER"].content == b"uv-pixi"
    assert nodes[f"{place}/REQUESTED"].content == b""
    assert nodes[f"{place}/direct_url.json"].content.decode() == f'{{"url":"{url}","archive_info":{{}}}}'
    lines = nodes[f"{place}/RECORD"].content.decode().splitlines()
    assert lines == sorted(lines)
    assert [line.partition(",")[0].rpartition("/")[2] for line in lines] == [
        "INSTALLER", "METADATA", "RECORD", "REQUESTED", "WHEEL", "direct_url.json",
    ]  # fmt: skip


def test_wheels_share_what_is_the_same_in_both(tmp_path: Path) -> None:
    def table(name: str, text: str) -> PathTable:
        made = wheel(tmp_path, name, {"space/__init__.py": text, f"space/{name}.py": name})
        with open_wheel(made, PYTHON) as opened:
            return opened.paths(name)

    assert lost_paths([table("a", ""), table("b", "")]) == {}
    with pytest.raises(NotDirectError, match=r"'b' has lib/.*/space/__init__.py, as has package 'a'"):
        lost_paths([table("a", ""), table("b", "other")])


REFUSED = [
    # What a wheel has, and what is said of it.
    ({"../x": "x"}, {}, BrokenPackageError, "leads out of the environment"),
    ({"/etc/passwd": "x"}, {}, BrokenPackageError, "leads out of the environment"),
    ({"a//b": "x"}, {}, BrokenPackageError, "leads out of the environment"),
    ({"a-1.0.data/data/../../x": "x"}, {}, BrokenPackageError, "leads out of the environment"),
    ({"a-1.0.data/scripts/x/y": "x"}, {}, BrokenPackageError, "which goes nowhere"),
    ({"a-1.0.data/other/x": "x"}, {}, BrokenPackageError, "which goes nowhere"),
    ({"a-1.0.data/scripts": "x"}, {}, BrokenPackageError, "which goes nowhere"),
    ({"a-1.0.data/scripts/python": "x"}, {}, BrokenPackageError, "the command python, which is Python's own"),
    ({"a-1.0.data/data/bin/Python3.11": "x"}, {}, BrokenPackageError, "the command Python3.11, which is"),
    ({"a-1.0.data/data/conda-meta/history": "x"}, {}, NotDirectError, "pixi's own to write"),
    ({"a-1.0.data/data/bin/x": "1", "a-1.0.data/scripts/x": "2"}, {}, NotDirectError, "two files for one place"),
    ({"a.py": "1", "a-1.0.data/purelib/a.py": "2"}, {}, NotDirectError, "two files for one place"),
    ({"a-1.0.dist-info/INSTALLER": "pip"}, {}, NotDirectError, "two files for one place"),
    ({"b-1.0.dist-info/x": "x"}, {}, BrokenPackageError, "2 folders of metadata"),
    ({}, {"wheel_file": "Wheel-Version: 2.0\n"}, BrokenPackageError, "its form has version '2.0'"),
    ({}, {"wheel_file": "nothing"}, BrokenPackageError, "its form has version ''"),
    ({}, {"record": "a,b\n"}, BrokenPackageError, "its RECORD has the line"),
    ({}, {"record": "a,b,-1\n"}, BrokenPackageError, "its RECORD has the line"),
]
COMMANDS = ["x = a", "../x = a:b", "x = a:b; import os", "x : a:b", "x = a:b\n  y = c:d", "x = os:system('rm')"]


@pytest.mark.parametrize(("files", "more", "error", "message"), REFUSED)
def test_an_odd_wheel_is_refused(
    tmp_path: Path, files: dict[str, bytes | str], more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        installed(wheel(tmp_path, "a", files, **more), PREFIX)
    assert str(raised.value).startswith("package 'a-1.0-py3-none-any.whl' ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_not_understood_is_left_to_pixi(tmp_path: Path, command: str) -> None:
    path = wheel(tmp_path, "a", {"a-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{command}\n"})
    with pytest.raises(NotDirectError, match="has the command"):
        installed(path, PREFIX)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("damage", ["empty", "no zip", "cut", "changed", "no metadata", "twice"])
def test_a_damaged_wheel_is_named(tmp_path: Path, damage: str) -> None:
    path = wheel(tmp_path, "a", {"a.py": "x = 1\n" * 500})
    content = path.read_bytes()
    if damage == "twice":
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("a.py", "again")
    elif damage == "no metadata":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a-1.0.dist-info/RECORD", "")
    else:
        changed = content[:40] + b"????" + content[44:]
        path.write_bytes({"empty": b"", "no zip": b"no zip", "cut": content[:200], "changed": changed}[damage])
    with pytest.raises(BrokenPackageError, match=r"package 'a-1\.0-py3-none-any\.whl' is broken"):
        installed(path, PREFIX)

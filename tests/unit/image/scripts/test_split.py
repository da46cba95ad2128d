"""split.sh: an environment laid out by layers, on made-up environments."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.image.scripts.conftest import SCRIPTS

PACKAGES = "own-numpy conda:numpy\nshared-01 conda:odd pypi:rich\nwheels-0 pypi:fast\nrest\n"
ODD = ("a file", 'with "quotes"', "back\\slash", "ünï", "$HOME `id`", "-rf", " edge ", "*?[x]")


class Prefix:
    """An environment in a folder, as pixi leaves it."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.folder = workdir / ".pixi" / "envs" / "default"
        (self.folder / "conda-meta").mkdir(parents=True)
        self.write("conda-meta/history", "")
        (workdir / ".pixi" / ".gitignore").write_text("*\n")

    def write(self, name: str, text: str = "x", mode: int = 0o644) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def conda(self, name: str, *files: str, write: bool = True) -> None:
        """Install a package; its record is in serde's pretty JSON."""
        for file in files if write else ():
            if not os.path.lexists(self.folder / file):
                self.write(file, name)
        record = {
            "depends": [],
            "name": name,
            "size": 1,
            "files": list(files),
            "paths_data": {"paths": [{"_path": "x"}]},
        }
        text = json.dumps(record, indent=2, ensure_ascii=False)
        self.write(f"conda-meta/{name}-1-0.json", text)

    def pypi(self, name: str, *files: str) -> None:
        """Install a wheel; ``files`` are relative to the site-packages folder."""
        site = "lib/python3.11/site-packages"
        for file in files:
            self.write(os.path.normpath(f"{site}/{file}"), name)
        meta = f"{name}-1.dist-info"
        quoted = ['"{}"'.format(file.replace('"', '""')) if '"' in file or "," in file else file for file in files]
        listed = [*quoted, f"{meta}/RECORD", f"{meta}/INSTALLER"]
        self.write(f"{site}/{meta}/INSTALLER", "uv-pixi")
        self.write(f"{site}/{meta}/RECORD", "".join(f"{file},sha256=x,1\n" for file in listed))

    def split(self, records: str = "fixed") -> subprocess.CompletedProcess[str]:
        """Run the step."""
        base = self.workdir.parent
        (base / "packages").write_text(PACKAGES)
        (base / "layers").mkdir(exist_ok=True)
        return subprocess.run(
            ["bash", SCRIPTS / "split.sh", base / "layers", base / "packages", records, self.workdir, self.folder],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(base)},
        )

    def layers(self) -> dict[str, set[str]]:
        """Return the files of each layer, relative to the environment or to what is above it."""
        found: dict[str, set[str]] = {}
        for layer in (self.workdir.parent / "layers").iterdir():
            top = layer / str(self.workdir).lstrip("/") / ".pixi"
            found[layer.name] = {
                os.path.relpath(Path(folder) / name, top / "envs" / "default")
                for folder, folders, files in os.walk(top)
                for name in [*files, *(one for one in folders if (Path(folder) / one).is_symlink())]
            }
        return found


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    return Prefix(tmp_path / "app")


def test_each_file_goes_with_its_package(prefix: Prefix) -> None:
    prefix.conda("numpy", "lib/numpy/core.so", "lib/numpy/__init__.py")
    prefix.conda("other", "bin/other")
    prefix.pypi("rich", "rich/__init__.py", "../../../bin/rich")
    prefix.pypi("fast", "fast.so")
    prefix.write("lib/stray")
    done = prefix.split()
    assert done.returncode == 0, done.stdout + done.stderr
    site = "lib/python3.11/site-packages"
    assert prefix.layers() == {
        "own-numpy": {"lib/numpy/core.so", "lib/numpy/__init__.py", "conda-meta/numpy-1-0.json"},
        "shared-01": {
            "bin/rich",
            f"{site}/rich/__init__.py",
            f"{site}/rich-1.dist-info/RECORD",
            f"{site}/rich-1.dist-info/INSTALLER",
        },
        "wheels-0": {
            f"{site}/fast.so",
            f"{site}/fast-1.dist-info/RECORD",
            f"{site}/fast-1.dist-info/INSTALLER",
        },
        "rest": {"bin/other", "conda-meta/other-1-0.json", "conda-meta/history", "lib/stray", "../../.gitignore"},
    }


def test_odd_names_links_modes_and_empty_folders(prefix: Prefix) -> None:
    names = [f"share/{name}" for name in ODD]
    prefix.write("bin/tool", "tool", 0o755)
    (prefix.folder / "bin/link").symlink_to("tool")
    (prefix.folder / "dangling").symlink_to("nowhere")
    prefix.conda("odd", *names, "bin/tool", "bin/link", "dangling")
    (prefix.folder / "empty/inner").mkdir(parents=True)
    (prefix.folder / "empty/inner").chmod(0o750)
    done = prefix.split()
    assert done.returncode == 0, done.stdout + done.stderr
    assert prefix.layers()["shared-01"] == {*names, "bin/tool", "bin/link", "dangling", "conda-meta/odd-1-0.json"}
    layers = prefix.workdir.parent / "layers"
    inside = layers / "shared-01" / str(prefix.folder).lstrip("/")
    assert (inside / "bin/link").readlink() == Path("tool")
    assert (inside / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (inside / "bin/tool").samefile(prefix.folder / "bin/tool"), "a link, no copy"
    rest = layers / "rest" / str(prefix.folder).lstrip("/")
    assert (rest / "empty/inner").stat().st_mode & 0o777 == 0o750


def test_what_two_packages_have_belongs_to_neither(prefix: Prefix) -> None:
    prefix.conda("numpy", "lib/mine", "lib/both")
    prefix.conda("odd", "lib/both", write=False)
    assert prefix.split().returncode == 0
    layers = prefix.layers()
    assert "lib/mine" in layers["own-numpy"]
    assert {"lib/both", "conda-meta/numpy-1-0.json", "conda-meta/odd-1-0.json"} <= layers["rest"]


def test_records_that_are_random_stay_out_of_the_layers(prefix: Prefix) -> None:
    prefix.conda("numpy", "lib/mine")
    assert prefix.split("random").returncode == 0
    assert prefix.layers()["own-numpy"] == {"lib/mine"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("conda-meta/numpy-1-0.json", "{}", "is not understood"),
        ("conda-meta/numpy-1-0.json", '{\n  "name": "numpy"\n}', "is not understood"),
        ("conda-meta/numpy-1-0.json", '{"name":"numpy","files":["a"]}', "is not understood"),
        (
            "conda-meta/numpy-1-0.json",
            '{\n  "name": "numpy",\n  "files": [\n    "a\\u0041"\n  ]\n}',
            "not understood",
        ),
        ("lib/line\nbreak", "x", "a file name has a line break"),
    ],
)
def test_what_is_not_known_is_one_layer_and_is_said(prefix: Prefix, name: str, text: str, why: str) -> None:
    prefix.write(name, text)
    done = prefix.split()
    assert done.returncode == 1
    assert re.search(f"^pixi-container: one layer: .*{why}", done.stdout, re.MULTILINE), done.stdout + done.stderr

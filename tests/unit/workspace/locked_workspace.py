"""A workspace whose lock is up to date, and why a lock is stale after a change of either."""

from __future__ import annotations

from pathlib import Path

from pixi_container.errors import UserError
from pixi_container.workspace.lock import read_lock
from pixi_container.workspace.manifest import read_manifest
from pixi_container.workspace.stale_lock import stale_reasons

CHANNEL = "https://conda.anaconda.org/conda-forge"
WHEELS = "https://files.pythonhosted.org/packages/aa/bb"
GIT = "git+https://github.com/org/tool.git?rev=0123456#0123456789abcdef0123456789abcdef01234567"

MANIFEST = """\
[workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"
ninja = ">=1.11"

[pypi-dependencies]
tqdm = ">=4,<5"
tool = { git = "https://github.com/org/tool", rev = "0123456" }
page = { url = "https://example.org/page-1.0-py3-none-any.whl" }
mine = { path = "./mine", editable = true }
"""

ENVIRONMENT = f"""\
    channels:
    - url: {CHANNEL}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/libzlib-1.3.1-h1_0.conda
      - conda: {CHANNEL}/linux-64/ninja-1.12.1-h2_0.conda
      - conda: {CHANNEL}/linux-64/python-3.11.9-h3_0.conda
      - pypi: {WHEELS}/colorama-0.4.6-py2.py3-none-any.whl
      - pypi: {WHEELS}/tqdm-4.66.1-py3-none-any.whl
      - pypi: direct+https://example.org/page-1.0-py3-none-any.whl
      - pypi: {GIT}
      - pypi: ./mine
"""

RECORDS = f"""\
packages:
- conda: {CHANNEL}/linux-64/libzlib-1.3.1-h1_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000001
  depends:
  - __glibc >=2.17,<3.0.a0
  purls: []
- conda: {CHANNEL}/linux-64/ninja-1.12.1-h2_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000002
  purls:
  - pkg:pypi/ninja?source=hash-mapping
- conda: {CHANNEL}/linux-64/python-3.11.9-h3_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000003
  depends:
  - libzlib >=1.3,<2.0a0
  constrains:
  - python_abi 3.11.* *_cp311
  purls: []
- pypi: {WHEELS}/colorama-0.4.6-py2.py3-none-any.whl
  name: colorama
  version: 0.4.6
  sha256: 0000000000000000000000000000000000000000000000000000000000000004
- pypi: {WHEELS}/tqdm-4.66.1-py3-none-any.whl
  name: tqdm
  version: 4.66.1
  sha256: 0000000000000000000000000000000000000000000000000000000000000005
  requires_dist:
  - colorama ; sys_platform == 'win32'
- pypi: direct+https://example.org/page-1.0-py3-none-any.whl
  name: page
  version: '1.0'
  sha256: 0000000000000000000000000000000000000000000000000000000000000006
- pypi: {GIT}
  name: tool
  version: '2.0'
- pypi: ./mine
  name: mine
  version: 0.1.0
  sha256: 0000000000000000000000000000000000000000000000000000000000000007
"""

LOCK = f"version: 6\nenvironments:\n  default:\n{ENVIRONMENT}{RECORDS}"

PYPROJECT = """\
[project]
name = "mine"
requires-python = ">=3.10"
dependencies = ["tqdm>=4"]

[project.optional-dependencies]
web = ["page"]
all = ["mine[web]", "tool"]

[dependency-groups]
dev = [{ include-group = "all-of-it" }]
all-of-it = ["mine[all]"]

[tool.pixi.workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]

[tool.pixi.dependencies]
ninja = "*"

[tool.pixi.pypi-dependencies]
mine = { path = "mine" }

[tool.pixi.environments]
default = ["dev"]
"""

ON = "the lock is not up to date: environment 'default' on linux-64: "
NINJA = f"conda: {CHANNEL}/linux-64/ninja-1.12.1-h2_0.conda"
PURL = "pkg:pypi/ninja?source=hash-mapping"
UNNEEDED = "no conda dependency requires these locked conda packages: "


def reasons(
    folder: Path, manifest: str, lock: str = LOCK, pixi: str = "", name: str = "pixi.toml"
) -> list[UserError]:
    folder.joinpath(name).write_text(manifest, "utf-8")
    folder.joinpath("pixi.lock").write_text(lock, "utf-8")
    return list(stale_reasons(read_manifest(folder), read_lock(folder), pixi))


def told(folder: Path, manifest: str = MANIFEST, lock: str = LOCK, pixi: str = "") -> list[str]:
    """Return the reasons about packages, without what all of them begin with."""
    messages = [reason.message for reason in reasons(folder, manifest, lock, pixi)]
    assert all(message.startswith(ON) for message in messages)
    return [message.removeprefix(ON) for message in messages]


def with_conda(lock: str, name: str, *, depends: str = "", purls: str = "  purls: []\n") -> str:
    """Return the lock with one more conda package."""
    location = f"conda: {CHANNEL}/linux-64/{name}-1.0-h7_0.conda"
    lock = lock.replace(f"      - {NINJA}\n", f"      - {location}\n      - {NINJA}\n")
    needs = f"  depends:\n  - {depends}\n" if depends else ""
    return lock.replace(f"- {NINJA}\n  sha", f"- {location}\n{needs}{purls}- {NINJA}\n  sha")


def with_sources(*names: str, folder: str = "recipe") -> str:
    """Return the lock with conda packages that are built from one folder."""
    places = [f"conda_source: {name}[{number:08x}] @ {folder}" for number, name in enumerate(names, 1)]
    rows = "".join(f"      - {place}\n" for place in places)
    records = "".join(f"- {place}\n  version: '1'\n  build: h0\n  subdir: linux-64\n" for place in places)
    platforms = "platforms:\n- name: linux-64\n"
    lock = LOCK.replace("version: 6\n", f"version: 7\n{platforms}")
    return lock.replace(f"      - {NINJA}\n", f"      - {NINJA}\n{rows}") + records

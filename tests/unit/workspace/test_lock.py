"""The lock: every version of it, what its packages ask of the machine, and where they come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rattler import LockFile

from pixi_container.errors import UserError
from pixi_container.inputs import Inputs
from pixi_container.workspace.local_packages import is_inside, local_path
from pixi_container.workspace.lock import Lock, LockedPackage, LockedPlatform, read_lock
from pixi_container.workspace.lock_sources import source_records
from pixi_container.workspace.machine import RequiredVersion, cuda, glibc
from pixi_container.workspace.platforms import Platform, parse_virtual_packages
from pixi_container.workspace.workspace import Workspace, read_workspace

SHA = "fe51de6107f9edc7aa4f786a70f4a883943bc9d39b3bb7307c04c41410990726"
MD5 = "d7c89558ba9fa0495403155b64376d81"
CHANNEL = "https://conda.anaconda.org/conda-forge"
WHEEL = "https://files.pythonhosted.org/packages/aa/bb/tqdm-4.66.1-py3-none-manylinux_2_27_x86_64.whl"
GIT = "git+https://github.com/org/tool?rev=abc#0123456789abcdef0123456789abcdef01234567"

V1 = f"""\
metadata:
  content_hash:
    linux-64: {SHA}
  channels:
  - url: {CHANNEL}/
    used_env_vars: []
  platforms:
  - linux-64
  sources: []
  time_metadata: null
  git_metadata: null
  inputs_metadata: null
  custom_metadata: null
package:
- platform: linux-64
  name: zlib
  version: 1.3.1
  category: main
  manager: conda
  dependencies:
  - __glibc >=2.17,<3.0.a0
  url: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
  hash:
    md5: {MD5}
    sha256: {SHA}
  build: h1_0
  arch: x86_64
  subdir: linux-64
  build_number: 0
  size: 90000
version: VERSION
"""

V45 = f"""\
version: VERSION
environments:
  default:
    channels:
    - url: {CHANNEL}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
      - pypi: {WHEEL}
      - pypi: ./lib
packages:
- kind: pypi
  name: tqdm
  version: 4.66.1
  url: {WHEEL}
  sha256: {SHA}
- kind: pypi
  name: lib
  version: 0.1.0
  path: ./lib
  sha256: {SHA}
  editable: true
- kind: conda
  name: zlib
  version: 1.3.1
  build: h1_0
  subdir: linux-64
  url: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
  sha256: {SHA}
  md5: {MD5}
  depends:
  - __glibc >=2.17,<3.0.a0
  size: 90000
"""

V6 = f"""\
version: 6
environments:
  default:
    channels:
    - url: {CHANNEL}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
      - conda: recipes/tool
        subdir: linux-64
      - pypi: {WHEEL}
      - pypi: ./lib
      - pypi: {GIT}
      win-64:
      - conda: recipes/tool
        subdir: win-64
  empty:
    channels:
    - url: {CHANNEL}/
    packages: {{}}
packages:
- conda: recipes/tool
  name: tool
  version: 1.0.0
  build: hb_0
  subdir: linux-64
  depends:
  - libgcc >=15
  - __glibc >=2.28
  input:
    hash: {SHA}
    globs: []
  sources:
    shared:
      path: ../shared
- conda: recipes/tool
  name: tool
  version: 1.0.0
  build: hw_0
  subdir: win-64
  input:
    hash: {SHA}
    globs: []
- conda: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
  sha256: {SHA}
  md5: {MD5}
  depends:
  - __glibc >=2.17,<3.0.a0
  size: 90000
- pypi: ./lib
  name: lib
  version: 0.1.0
  sha256: {SHA}
  editable: true
- pypi: {GIT}
  name: from-git
  version: 2.0.0
- pypi: {WHEEL}
  name: tqdm
  version: 4.66.1
  sha256: {SHA}
"""

V7 = f"""\
version: 7
platforms:
- name: linux-64
  virtual-packages:
  - __unix=0=0
  - __linux=4.18
  - __glibc=2.28
  - __archspec=0=x86_64
- name: p1
  subdir: linux-64
  virtual-packages:
  - __cuda=12
  - __unix=0=0
  - __linux=4.18
  - __glibc=2.28
  - __archspec=0=x86_64
environments:
  default:
    channels:
    - url: {CHANNEL}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
      p1:
      - conda: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
      - conda: {CHANNEL}/noarch/cuda-version-12.9-h4_0.conda
      - conda_source: tool[87dc0b8a] @ recipes/tool
      - pypi: ./
      - pypi: links/wheel-1.0-py3-none-any.whl
packages:
- conda: {CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda
  sha256: {SHA}
  md5: {MD5}
  depends:
  - __glibc >=2.17,<3.0.a0
  size: 90000
- conda: {CHANNEL}/noarch/cuda-version-12.9-h4_0.conda
  sha256: {SHA}
  md5: {MD5}
- conda_source: tool[11111111] @ recipes/tool
  variants:
    target_platform: osx-arm64
  depends:
  - __glibc >=2.99
- conda_source: tool[87dc0b8a] @ recipes/tool
  variants:
    target_platform: linux-64
  depends:
  - shared
  - __glibc >=2.34,<3.0.a0
  - __cuda >=12.4
  source:
    git: https://github.com/org/tool
    rev: 34d90eaf81fa042ace51ec27af28b1e487c79f32
  source_depends:
    shared:
      path: ../shared
  build_packages:
  - conda_source: helper[22222222] @ recipes/helper
- conda_source: helper[22222222] @ recipes/helper
  variants:
    target_platform: linux-64
  source:
    path: sources
- pypi: ./
  name: study
- pypi: links/wheel-1.0-py3-none-any.whl
  name: wheel
  version: '1.0'
"""

LOCKS = {
    "1": V1.replace("VERSION", "1"),
    "2": V1.replace("VERSION", "2"),
    "3": V1.replace("VERSION", "3"),
    "4": V45.replace("VERSION", "4"),
    "5": V45.replace("VERSION", "5"),
    "6": V6,
    "7": V7,
}
MANIFEST = '[workspace]\nname = "study"\nplatforms = ["linux-64"]\n'
GPU_FIRST = '[workspace]\nplatforms = [{ name = "gpu", platform = "linux-64", cuda = "12.0" }, "linux-64"]\n'


def lock_of(folder: Path, text: str) -> Lock:
    (folder / "pixi.lock").write_text(text, "utf-8")
    return read_lock(folder)


def workspace_of(folder: Path, lock: str, manifest: str = MANIFEST, **inputs: str) -> Workspace:
    (folder / "pixi.toml").write_text(manifest, "utf-8")
    (folder / "pixi.lock").write_text(lock, "utf-8")
    return read_workspace(replace(Inputs(context=str(folder)), **inputs), "linux/amd64")  # type: ignore[arg-type]


@pytest.mark.parametrize("version", LOCKS)
def test_every_version_agrees_with_its_own_parser(tmp_path: Path, version: str) -> None:
    workspace = workspace_of(tmp_path, LOCKS[version])
    assert workspace.lock_version == int(version)
    parser = LockFile.from_path(tmp_path / "pixi.lock").environment("default")
    assert parser
    row = next(row for row in parser.platforms() if row.name == "linux-64")
    packages = parser.packages(row) or []
    assert sorted(package.name for package in packages) == sorted(
        package.name for package in workspace.platform.packages
    )
    zlib = next(package for package in workspace.platform.packages if package.name == "zlib")
    assert zlib == LockedPackage(
        name="zlib",
        version="1.3.1",
        build="h1_0",
        kind="conda",
        size=90000,
        sha256=SHA,
        md5=MD5,
        location=f"{CHANNEL}/linux-64/zlib-1.3.1-h1_0.conda",
        asks=("__glibc >=2.17,<3.0.a0",),
    )


@pytest.mark.parametrize("version", ["4", "5", "6"])
def test_packages_of_pypi_and_of_the_workspace(tmp_path: Path, version: str) -> None:
    workspace = workspace_of(tmp_path, LOCKS[version])
    tqdm = next(package for package in workspace.platform.packages if package.name == "tqdm")
    assert (tqdm.kind, tqdm.version, tqdm.size, tqdm.sha256, tqdm.location) == ("pypi", "4.66.1", None, SHA, WHEEL)
    lib = next(package for package in workspace.own_source if package.name == "lib")
    assert (lib.kind, lib.path) == ("pypi-editable", "lib")
    assert lib.reason == "'./lib' in pixi.lock, editable in pixi.lock"


def test_counts_and_sizes(tmp_path: Path) -> None:
    platform = workspace_of(tmp_path, V6).platform
    assert (platform.conda_packages, platform.pypi_packages, platform.download_size) == (2, 3, 90000)
    assert [package.name for package in platform.packages if package.from_source] == ["tool"]


def test_what_needs_git(tmp_path: Path) -> None:
    assert [(git.name, git.location) for git in workspace_of(tmp_path, V6).git_source] == [("from-git", GIT)]
    workspace = workspace_of(tmp_path, V7, GPU_FIRST)
    assert [(git.name, git.location) for git in workspace.git_source] == [("tool", "https://github.com/org/tool")]


def test_what_comes_from_the_workspace_with_what_building_it_reads(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, V7, GPU_FIRST)
    assert {package.name: (package.kind, package.path, package.inputs) for package in workspace.own_source} == {
        "tool": ("conda-source", "recipes/tool", ("recipes/helper", "recipes/helper/sources", "recipes/shared")),
        "study": ("pypi-path", ".", ()),
        "wheel": ("wheel", "links/wheel-1.0-py3-none-any.whl", ()),
    }
    assert [(place.path, place.kind) for place in workspace.source_places] == [
        (".", "pypi-folder"),
        ("links/wheel-1.0-py3-none-any.whl", "pypi-file"),
        ("recipes/helper", "conda-source"),
        ("recipes/tool", "conda-source"),
    ]
    old = workspace_of(tmp_path, V6)
    assert next(package.inputs for package in old.own_source if package.name == "tool") == ("recipes/shared",)


@pytest.mark.parametrize(
    ("rule", "manifest", "kind"),
    [
        ("a path without the key is not editable", '[pypi-dependencies]\nlib = { path = "lib" }', "pypi-path"),
        ("the key decides", '[pypi-dependencies]\nLib = { path = "lib", editable = true }', "pypi-editable"),
        (
            "the first feature with the key decides",
            """
            [pypi-dependencies]
            lib = { path = "lib", editable = true }
            [feature.prod.target.linux-64.pypi-dependencies]
            lib = { path = "lib", editable = false }
            [environments]
            default = ["prod"]
            """,
            "pypi-path",
        ),
        ("the lock's mark counts for what the manifest does not name", "", "pypi-editable"),
    ],
)
def test_what_is_editable(tmp_path: Path, rule: str, manifest: str, kind: str) -> None:
    workspace = workspace_of(tmp_path, V6, MANIFEST + manifest)
    assert {package.name: package.kind for package in workspace.own_source}["lib"] == kind, rule


@pytest.mark.parametrize(
    ("rule", "manifest", "cuda_version", "declared", "row", "expected"),
    [
        ("a rich platform is found by what it requires", GPU_FIRST, "", "gpu", "p1", "12.4"),
        ("without a rich platform the bare row is taken", MANIFEST, "", "linux-64", "linux-64", ""),
        (
            "the platform declared first is preferred",
            '[workspace]\nplatforms = ["linux-64", { platform = "linux-64", cuda = "12" }]\n',
            "",
            "linux-64",
            "linux-64",
            "",
        ),
        (
            "a driver older than a platform declares rules it out",
            GPU_FIRST,
            "11.8",
            "linux-64",
            "linux-64",
            "11.8",
        ),
        ("a newer driver does not", GPU_FIRST, "13", "gpu", "p1", "13"),
        (
            "system requirements make the same platform",
            MANIFEST + '[system-requirements]\ncuda = "12"\n',
            "",
            "linux-64-cuda-12",
            "p1",
            "12.4",
        ),
    ],
)
def test_which_row_of_the_lock(
    tmp_path: Path, rule: str, manifest: str, cuda_version: str, declared: str, row: str, expected: str
) -> None:
    workspace = workspace_of(tmp_path, V7, manifest, cuda_version=cuda_version)
    assert (workspace.declared.name, workspace.platform.name, workspace.cuda) == (declared, row, expected), rule


def test_a_platform_that_the_lock_has_with_other_requirements_is_not_locked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not locked for linux/amd64") as caught:
        workspace_of(tmp_path, V7, '[workspace]\nplatforms = [{ platform = "linux-64", cuda = "13" }]\n')
    assert "The manifest has linux-64-cuda-13 for it" in caught.value.hint


def test_an_old_lock_has_the_platform_by_its_subdir_alone(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, V6, MANIFEST + '[system-requirements]\ncuda = "12.4"\n')
    assert (workspace.declared.name, workspace.platform.name) == ("linux-64-cuda-12-4", "linux-64")
    assert (workspace.cuda, workspace.cuda_source) == (
        "12.4",
        "system requirements of feature 'default' in pixi.toml",
    )


def test_a_row_named_after_the_subdir_is_taken_when_it_promises_as_much(tmp_path: Path) -> None:
    lock = V7.replace(
        "- name: linux-64\n  virtual-packages:\n", "- name: linux-64\n  virtual-packages:\n  - __cuda=13\n"
    )
    lock = lock.replace("  - __unix=0=0\n", "  - __raw=1\n  - __unix=0=0\n", 1)
    requires_13 = '[workspace]\nplatforms = [{ platform = "linux-64", cuda = "13" }]\n'
    assert workspace_of(tmp_path, lock, requires_13).platform.name == "linux-64"
    with pytest.raises(UserError, match="not locked"):
        workspace_of(tmp_path, lock, requires_13.replace("13", "14"))


def test_an_environment_without_packages_is_not_locked(tmp_path: Path) -> None:
    manifest = (
        MANIFEST + "[feature.none]\n[environments]\nempty = { features = ['none'], no-default-feature = true }\n"
    )
    with pytest.raises(UserError, match="'empty' is not locked for linux/amd64: it has no packages") as caught:
        workspace_of(tmp_path, V6, manifest, environment="empty")
    assert "Environments with packages: default." in caught.value.hint


def test_an_environment_that_the_manifest_no_longer_has_is_told(tmp_path: Path) -> None:
    assert workspace_of(tmp_path, V6).unknown_environments == ("empty",)
    with pytest.raises(UserError, match="there is no environment 'empty'"):
        workspace_of(tmp_path, V6, environment="empty")


def test_an_old_lock_knows_the_default_environment_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has default \(lock version 3 has no environments\)"):
        workspace_of(tmp_path, LOCKS["3"], MANIFEST + "[environments]\ngpu = []\n", environment="gpu")


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (
            "version: 8\nenvironments: {}\npackages: []\n",
            "the lock has version 8; versions up to 7 are supported",
            1,
        ),
        (f"# a comment\n{V6.replace('version: 6', 'version: 12')}", "the lock has version 12", 2),
        ("version: 6\nenvironments: [\n", "the lock cannot be read", 2),
        (f"{V6}<<<<<<< HEAD\n", "an unresolved merge conflict", V6.count("\n") + 1),
        (V6.replace("- pypi: ./lib\n  name", "- pypi: ./elsewhere\n  name"), "does not exist: ./lib", None),
        ("", "the lock cannot be read", None),
        ("[1, 2]", "the lock cannot be read", 1),
        ("version: 6\n", "the lock cannot be read", None),
    ],
)
def test_a_lock_out_of_shape(tmp_path: Path, text: str, message: str, line: int | None) -> None:
    with pytest.raises(UserError) as caught:
        lock_of(tmp_path, text)
    assert message in caught.value.message
    assert caught.value.line == line
    assert caught.value.file.endswith("pixi.lock")
    assert caught.value.hint


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "pixi.lock").write_bytes(b"version: 6\n\xff")
    with pytest.raises(UserError, match="the lock cannot be read"):
        read_lock(tmp_path)


def package(name: str, *asks: str, version: str = "1", kind: str = "conda", location: str = "") -> LockedPackage:
    return LockedPackage(
        name=name,
        version=version,
        build="",
        kind=kind,
        size=None,
        sha256="",
        md5="",
        location=location,
        asks=asks,
    )


def on(*virtual_packages: str) -> Platform:
    return Platform(
        "x", "linux-64", parse_virtual_packages(virtual_packages, "linux-64"), "platforms of pixi.toml"
    )


@pytest.mark.parametrize(
    ("rule", "platform", "packages", "expected"),
    [
        ("nothing asks", on(), [package("a")], RequiredVersion("", "not asked for")),
        (
            "the highest lower bound",
            on(),
            [package("a", "__cuda >=12"), package("pytorch", "__cuda  >=12.4,<14"), package("c", "__cuda >=12.0")],
            RequiredVersion("12.4", "`__cuda >=12.4,<14` of pytorch in pixi.lock"),
        ),
        (
            "an exact version is a bound too",
            on(),
            [package("a", "__cuda 11.8.*"), package("b", "__cuda=11")],
            RequiredVersion("11.8", "`__cuda 11.8.*` of a in pixi.lock"),
        ),
        (
            "space after the operator",
            on(),
            [package("a", "__cuda  >= 11.0")],
            RequiredVersion("11.0", "`__cuda >= 11.0` of a in pixi.lock"),
        ),
        (
            "an upper bound says no version",
            on(),
            [package("a", "__cuda <13")],
            RequiredVersion("12", "assumed, as `__cuda <13` of a in pixi.lock names no version"),
        ),
        (
            "a bare __cuda leaves it to cuda-version",
            on(),
            [package("a", "__cuda"), package("cuda-version", version="12.9")],
            RequiredVersion("12.9", "cuda-version in pixi.lock, as `__cuda` of a names no version"),
        ),
        (
            "what is declared holds when it is enough",
            on("__cuda=12.4"),
            [package("a", "__cuda >=12.4")],
            RequiredVersion("12.4", "platforms of pixi.toml"),
        ),
        (
            "the arch of cuda is another package",
            on(),
            [package("a", "__cuda_arch >=8.6")],
            RequiredVersion("", "not asked for"),
        ),
    ],
)
def test_cuda(rule: str, platform: Platform, packages: list[LockedPackage], expected: RequiredVersion) -> None:
    assert cuda(platform, LockedPlatform(name="x", subdir="linux-64", packages=tuple(packages))) == expected, rule


@pytest.mark.parametrize(
    ("rule", "platform", "packages", "expected"),
    [
        (
            "nothing asks, and the default is only assumed",
            on("__glibc=2.28"),
            [],
            RequiredVersion("", "not asked for"),
        ),
        (
            "the highest of the packages",
            on(),
            [package("a", "__glibc >=2.17,<3.0.a0"), package("b", "__glibc >=2.28")],
            RequiredVersion("2.28", "`__glibc >=2.28` of b in pixi.lock"),
        ),
        (
            "or what the platform declares",
            on("__glibc=2.34"),
            [package("a", "__glibc >=2.17")],
            RequiredVersion("2.34", "platforms of pixi.toml"),
        ),
        (
            "a wheel's name says it, the lowest of its tags is enough",
            on(),
            [
                package(
                    "w",
                    kind="pypi",
                    location="https://x/w-1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_31_x86_64.whl",
                )
            ],
            RequiredVersion("2.27", "the wheel of w in pixi.lock"),
        ),
        (
            "in its old form too",
            on(),
            [
                package(
                    "w", kind="pypi", location="https://x/w-1%2Bcu-cp312-cp312-manylinux2014_x86_64.whl#sha256=ab"
                )
            ],
            RequiredVersion("2.17", "the wheel of w in pixi.lock"),
        ),
        (
            "a pure wheel, and a source, ask for nothing",
            on(),
            [
                package("w", kind="pypi", location="https://x/w-1-py3-none-any.whl"),
                package("s", kind="pypi", location="https://x/manylinux_2_99_x86_64.tar.gz"),
            ],
            RequiredVersion("", "not asked for"),
        ),
    ],
)
def test_glibc(rule: str, platform: Platform, packages: list[LockedPackage], expected: RequiredVersion) -> None:
    assert glibc(platform, LockedPlatform(name="x", subdir="linux-64", packages=tuple(packages))) == expected, rule


def test_packages_built_from_source_ask_too(tmp_path: Path) -> None:
    workspace = workspace_of(tmp_path, V7, GPU_FIRST)
    assert (workspace.glibc, workspace.glibc_source) == ("2.34", "`__glibc >=2.34,<3.0.a0` of tool in pixi.lock")
    assert (workspace.cuda, workspace.cuda_source) == ("12.4", "`__cuda >=12.4` of tool in pixi.lock")


@pytest.mark.parametrize(
    ("location", "path", "inside"),
    [
        ("./", ".", True),
        ("./a/../b/", "b", True),
        ("../x", "../x", False),
        ("a\\b", "a/b", True),
        ("/elsewhere/x.whl", "/elsewhere/x.whl", False),
        ("C:\\x", "C:\\x", False),
        ("{root}/links/x.whl", "links/x.whl", True),
        ("file://{root}/my%20links", "my links", True),
        ("..x", "..x", True),
    ],
)
def test_paths_of_the_lock(tmp_path: Path, location: str, path: str, inside: bool) -> None:
    found = local_path(location.replace("{root}", str(tmp_path)), tmp_path)
    assert found == path
    assert is_inside(found) is inside


def test_scalars_in_quotes() -> None:
    (record,) = source_records("packages:\n- pypi: './it''s here'\n  name: \"a\"\n  editable: true\n")
    assert (record.name, record.location, record.editable) == ("a", "./it's here", True)


def test_the_json_tells_everything(tmp_path: Path) -> None:
    told = workspace_of(
        tmp_path, V7, GPU_FIRST + '[activation]\nscripts = ["gone.sh"]\nenv = { A = "1" }\n'
    ).as_json()
    assert told["platform"] == {
        "docker": "linux/amd64",
        "conda": "linux-64",
        "name": "gpu",
        "name_in_lock": "p1",
        "virtual_packages": ["__cuda=12.0"],
        "reason": "platforms of pixi.toml",
    }
    assert told["cuda"] == {"version": "12.4", "reason": "`__cuda >=12.4` of tool in pixi.lock"}
    assert told["activation"] == {"scripts": (), "missing_scripts": ("gone.sh",), "env": {"A": "1"}}
    assert {found["name"] for found in told["packages"]} == {"zlib", "cuda-version", "tool", "study", "wheel"}


def test_a_lock_with_the_line_ends_of_windows(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(GPU_FIRST)
    (tmp_path / "pixi.lock").write_bytes(V7.replace("\n", "\r\n").encode())
    assert read_lock(tmp_path).source_records == lock_of(tmp_path, V7).source_records


def test_the_most_demanding_specification_counts_and_is_shown_short() -> None:
    specifications = "|".join(f">=12.{minor}" for minor in range(9))
    packages = [
        LockedPackage(
            name=f"p{number}",
            version="1",
            build="",
            kind="conda",
            size=None,
            sha256="",
            md5="",
            location="",
            asks=(f"__cuda {specifications}" + "|" * 1000,),
        )
        for number in range(3)
    ]
    found = cuda(
        Platform("linux-64", "linux-64"), LockedPlatform(name="a", subdir="linux-64", packages=(*packages,))
    )
    assert found.value == "12.8"
    assert found.reason.startswith("`__cuda >=12.0|>=12.1")
    assert found.reason.endswith("…` of p0 in pixi.lock")
    assert len(found.reason) < 200


def test_inputs_of_inputs_are_followed_once(tmp_path: Path) -> None:
    packages = "".join(
        f"- conda_source: p{number}[{number:08x}] @ p{number}\n"
        f"  source_depends:\n    x:\n      path: ../p{target}\n"
        for number, target in enumerate((1, 2, 0))
    )
    references = "".join(f"      - conda_source: p{number}[{number:08x}] @ p{number}\n" for number in range(3))
    text = (
        "version: 7\nplatforms:\n- name: linux-64\nenvironments:\n  default:\n    channels: []\n    packages:\n"
        f"      linux-64:\n{references}packages:\n{packages}"
    )
    manifest = '[workspace]\nname = "a"\nchannels = []\nplatforms = ["linux-64"]\n'
    own = workspace_of(tmp_path, text, manifest).own_source
    assert {package.path: package.inputs for package in own} == {
        "p0": ("p1", "p2"),
        "p1": ("p0", "p2"),
        "p2": ("p0", "p1"),
    }


RELATIVE = """\
version: 7
platforms:
- name: linux-64
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - pypi: ./packages/app
      - pypi: ./packages/core
packages:
- pypi: ./packages/app
  name: app
  requires_dist:
  - core @ ./packages/core
- pypi: ./packages/core
  name: core
"""


def test_own_packages_that_require_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the context is named relative to the working folder, as `--context .` does."""
    (tmp_path / "pixi.lock").write_text(RELATIVE)
    monkeypatch.chdir(tmp_path)
    for context in (Path(), Path("..", tmp_path.name), tmp_path):
        lock = read_lock(context)
        assert [package.name for package in lock.read("default", lock.rows("default")[0]).packages] == [
            "app",
            "core",
        ]

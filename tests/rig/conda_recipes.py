"""What the packages of the rig's conda channel are made of: Debian packages, PyPI wheels, and metadata alone.

Names, dependencies and layout follow conda-forge, so that a user's manifest for conda-forge solves against it.
The records claim conda-forge's usual `__glibc >=2.17`, though the binaries are those of Debian 12.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.rig.conda_archive import PREFIX_PLACEHOLDER, Package
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SUITE = "bookworm"
ARCHITECTURES = {"linux-64": "amd64", "linux-aarch64": "arm64"}
TRIPLETS = {"linux-64": "x86_64-linux-gnu", "linux-aarch64": "aarch64-linux-gnu"}

GLIBC = "__glibc >=2.17,<3.0.a0"
NEEDS_PYTHON = ("python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311")
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


def _finish_python(tree: Path, subdir: str) -> None:
    """Makes Debian's interpreter look for modules where conda packages put them, and nowhere else."""
    lib = tree / "lib/python3.11"
    for link, target in (("python", "python3.11"), ("python3", "python3.11"), ("pydoc", "pydoc3.11")):
        (tree / "bin" / link).symlink_to(target)
    (lib / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="ascii")
    _edit(lib / "sysconfig.py", (("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),))
    data = f"_sysconfigdata__{TRIPLETS[subdir]}.py"
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
            msg = f"{path.name} of Debian's Python has changed: {old!r} is not in it"
            raise RigError(msg)
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


FROM_DEBIAN = (
    FromDebian(
        name="python",
        debs=("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "python3.11"),
        license="Python-2.0",
        summary="General purpose programming language",
        depends=(
            GLIBC,
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
        depends=(GLIBC, "ca-certificates"),
    ),
    FromDebian(
        name="libsqlite",
        debs=("libsqlite3-0",),
        license="blessing",
        summary="Implements a self-contained, zero-configuration, SQL database engine",
        depends=(GLIBC, "libzlib >=1.2.13,<2.0a0"),
    ),
    FromDebian(
        name="sqlite",
        debs=("sqlite3",),
        license="blessing",
        summary="Command line of the SQL database engine",
        depends=(GLIBC, "libsqlite", "libzlib >=1.2.13,<2.0a0", "readline >=8.2,<9.0a0"),
        absolute_rpath=True,
    ),
    FromDebian(
        name="ncurses",
        debs=("libtinfo6", "libncursesw6", "ncurses-base"),
        license="X11 AND BSD-3-Clause",
        summary="Library for text-based user interfaces",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="readline",
        debs=("libreadline8",),
        license="GPL-3.0-only",
        summary="library for editing command lines as they are typed in",
        depends=(GLIBC, "ncurses >=6.4,<7.0a0"),
    ),
    FromDebian(
        name="libexpat",
        debs=("libexpat1",),
        license="MIT",
        summary="Expat XML parser library in C",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="libzlib",
        debs=("zlib1g",),
        license="Zlib",
        summary="Massively spiffy yet delicately unobtrusive compression library",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="libffi",
        debs=("libffi8",),
        license="MIT",
        summary="Portable foreign function interface library",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="bzip2",
        debs=("libbz2-1.0", "bzip2"),
        license="bzip2-1.0.6",
        summary="High-quality data compressor",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="liblzma",
        debs=("liblzma5",),
        license="0BSD",
        summary="Library of the XZ data compressor",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="libuuid",
        debs=("libuuid1",),
        license="BSD-3-Clause",
        summary="Portable uuid C library",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="libxcrypt",
        debs=("libcrypt1",),
        license="LGPL-2.1-or-later",
        summary="Extended crypt library for descrypt, md5crypt, bcrypt, and others",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="libgomp",
        debs=("libgomp1",),
        license="GPL-3.0-only WITH GCC-exception-3.1",
        summary="OpenMP implementation of the GNU compiler collection",
        depends=(GLIBC,),
    ),
    FromDebian(
        name="libgcc",
        debs=("libgcc-s1",),
        license="GPL-3.0-only WITH GCC-exception-3.1",
        summary="The GNU compiler collection's low-level runtime library",
        depends=(GLIBC, "_openmp_mutex >=4.5"),
    ),
    FromDebian(
        name="libstdcxx",
        debs=("libstdc++6",),
        license="GPL-3.0-only WITH GCC-exception-3.1",
        summary="The GNU C++ runtime library",
        depends=(GLIBC, "libgcc"),
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

FROM_WHEELS = (
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
        depends=(GLIBC, "libgcc", "libstdcxx", *NEEDS_PYTHON),
    ),
    FromWheel(
        name="scipy",
        wheel="scipy",
        version="1.14.1",
        license="BSD-3-Clause",
        summary="Scientific library for Python",
        sha256={"linux-64": "fef8c87f8abfb884dac04e97824b61299880c43f4ce675dd2cbeadd3c9b466d2"},
        depends=(GLIBC, "libgcc", "libstdcxx", "numpy >=1.23.5,<2.3", *NEEDS_PYTHON),
    ),
    FromWheel(
        name="cuda-cudart",
        wheel="nvidia-cuda-runtime-cu12",
        version="12.9.79",
        license="LicenseRef-NVIDIA-End-User-License-Agreement",
        summary="CUDA Runtime Native Libraries",
        sha256={"linux-64": "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3"},
        depends=(GLIBC, "__cuda >=12", "cuda-version >=12,<13", "libgcc", "libstdcxx"),
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

METAPACKAGES = (
    *(
        Package(
            name="_openmp_mutex",
            version="4.5",
            build="2_gnu",
            build_number=16,
            subdir=subdir,
            license="BSD-3-Clause",
            summary="OpenMP Implementation Mutex",
            depends=("libgomp >=7.5.0",),
        )
        for subdir in ARCHITECTURES
    ),
    *(
        Package(
            name="cuda-version",
            version=version,
            build=build,
            build_number=3,
            subdir="noarch",
            noarch="generic",
            license="LicenseRef-NVIDIA-End-User-License-Agreement",
            summary="A meta-package for pinning to a CUDA release version",
            constrains=(f"cudatoolkit {version}|{version}.*", f"__cuda >={version.split('.')[0]}"),
        )
        for version, build in (("12.9", "h4f385c5_3"), ("13.0", "hbda6634_3"))
    ),
    Package(
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
)

BACKENDS = (
    "editables==0.6 --hash=sha256:d70e4698078a1d033e7786d9c64e5be070d058a67c21417024d38a58ac20aa43",
    "flit_core==4.2.0 --hash=sha256:2bee22dc8ba89c2e35b4e1ad575e596aac945c85672dd8f3cad21b629036e044",
    "hatch-vcs==0.5.0 --hash=sha256:b49677dbdc597460cc22d01b27ab3696f5e16a21ecf2700fb01bc28e1f2a04a7",
    "hatchling==1.33.0 --hash=sha256:415290b84f464d2884303fca8974d38e7b85579069fab02a15db0828fbb1446d",
    "packaging==26.3 --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c",
    "pathspec==1.1.1 --hash=sha256:a00ce642f577bf7f473932318056212bc4f8bfdf53128c78bbd5af0b9b20b189",
    "pluggy==1.7.0 --hash=sha256:7dd7b0d8832ba3cb632c306926ded123429211b83641b35dc5c41ad2d34f9bec",
    "setuptools-scm==10.3.4 --hash=sha256:82f34c3e3084fc2b57d397200637cc13f2338004052d2fee47baa5f0e902464e",
    "setuptools==84.2.1 --hash=sha256:ca140b45d5325a9478f880e351484f62fef15f336462e449ca0c03c873d589c2",
    "tomlkit==0.15.2 --hash=sha256:05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437",
    "trove-classifiers==2026.9.21.13 --hash=sha256:8b1ff4f9c191b1040b71c37f1e445ab99732911e3cd91de52838453a854d7a17",  # noqa: E501
    "vcs-versioning==2.6.0 --hash=sha256:f8bebd1302ebc12e67ceb30fc7dd698ec969414b6fa43b30c3f14ac9b1e72c41",
    "wheel==0.48.0 --hash=sha256:3217dcc807155e45db462d7ef2431f5ddda0d7273b700d05a67b271ceb1287ab",
)
"""Build backends of Python packages and what they need, which builds take from PyPI."""

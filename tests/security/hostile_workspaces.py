"""Texts of manifests and locks for the tests of what a hostile checkout costs."""

from __future__ import annotations

from collections.abc import Iterable

MANIFEST = '[workspace]\nname = "study"\nchannels = []\nplatforms = ["linux-64"]\n'
PYTHON = "https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda"
CONDA_REFERENCE = f"      - conda: {PYTHON}\n"
CONDA_PACKAGE = f"- conda: {PYTHON}\n  sha256: {'0' * 64}\n  md5: {'0' * 32}\n"

_CHANNELS = "    channels:\n    - url: https://conda.anaconda.org/conda-forge/\n    packages:\n      linux-64:\n"


def lock(references: str = CONDA_REFERENCE, packages: str = CONDA_PACKAGE, version: int = 6) -> str:
    """Return a lock of one environment on one platform."""
    platforms = "platforms:\n- name: linux-64\n" if version == 7 else ""
    return (
        f"version: {version}\n{platforms}environments:\n  default:\n{_CHANNELS}{references}packages:\n{packages}"
    )


def python_lock(requirements: Iterable[str] = (), place: str = "./a", version: str = "1.0.0") -> str:
    """Return a lock with one package of the workspace's own, which requires others."""
    listed = "".join(f"  - {requirement}\n" for requirement in requirements)
    package = f"- pypi: {place}\n  name: a\n  version: {version}\n" + (
        f"  requires_dist:\n{listed}" if listed else ""
    )
    return lock(f"      - pypi: {place}\n", package)


def depends(*specifications: str) -> str:
    """Return a lock whose package depends on these."""
    listed = "".join(f"  - {specification}\n" for specification in specifications)
    return lock(packages=f"{CONDA_PACKAGE}  depends:\n{listed}")


def local_packages(count: int) -> str:
    """Return a lock with so many packages of the workspace's own."""
    return lock(
        "".join(f"      - pypi: ./p{number}\n" for number in range(count)),
        "".join(f"- pypi: ./p{number}\n  name: p{number}\n  version: 1.0.0\n" for number in range(count)),
    )


def source_chain(count: int) -> str:
    """Return a lock of packages from source, each of which is built from the next."""
    return lock(
        "".join(f"      - conda_source: p{number}[{number:08x}] @ p{number}\n" for number in range(count)),
        "".join(
            f"- conda_source: p{number}[{number:08x}] @ p{number}\n  source_depends:\n    x:\n"
            f"      path: ../p{number + 1}\n"
            for number in range(count)
        ),
        version=7,
    )

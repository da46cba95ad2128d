"""A small workspace on disk, with a lock in Pixi's own format, that each test may change."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.docker_program import DockerProgram, docker_program
from tests.unit.registry_server import RegistryServer, serving_registry

MANIFEST = """\
[workspace]
name = "study"
version = "1.2.0"
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64", "osx-arm64"]

[dependencies]
python = "3.11.*"

[activation.env]
STUDY_MODE = "fast"

[feature.gpu]
platforms = ["linux-64"]

[feature.gpu.dependencies]
cuda-version = "12.9.*"

[feature.gpu.system-requirements]
cuda = "12"

[environments]
gpu = ["gpu"]
"""

LOCK = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda
      linux-aarch64:
      - conda: https://conda.anaconda.org/conda-forge/linux-aarch64/python-3.11.9-h2_0.conda
      osx-arm64:
      - conda: https://conda.anaconda.org/conda-forge/osx-arm64/python-3.11.9-h3_0.conda
  gpu:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/noarch/cuda-version-12.9-h4_0.conda
      - conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda
packages:
- conda: https://conda.anaconda.org/conda-forge/noarch/cuda-version-12.9-h4_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000004
  md5: 00000000000000000000000000000004
  size: 20000
- conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-h1_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000001
  md5: 00000000000000000000000000000001
  depends:
  - __glibc >=2.17,<3.0.a0
  size: 30000000
- conda: https://conda.anaconda.org/conda-forge/linux-aarch64/python-3.11.9-h2_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000002
  md5: 00000000000000000000000000000002
  size: 29000000
- conda: https://conda.anaconda.org/conda-forge/osx-arm64/python-3.11.9-h3_0.conda
  sha256: 0000000000000000000000000000000000000000000000000000000000000003
  md5: 00000000000000000000000000000003
  size: 28000000
"""


@dataclass(frozen=True)
class Folder:
    """A workspace folder."""

    path: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the workspace."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a file of the workspace; the old text must be there."""
        text = (self.path / name).read_text("utf-8")
        assert old in text
        self.write(name, text.replace(old, new))


@pytest.fixture(scope="session", autouse=True)
def all_waits() -> Iterator[list[float]]:
    """The seconds between attempts, which are noted and not waited."""
    seconds: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixi_container.retries.pause", lambda wait, _: seconds.append(wait))
        yield seconds


@pytest.fixture
def waits(all_waits: list[float]) -> list[float]:
    """Those of one test."""
    all_waits.clear()
    return all_waits


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The workspace of the tests: environments ``default`` and ``gpu``, a ``src`` folder."""
    made = Folder(tmp_path / "a workspace")
    made.write("pixi.toml", MANIFEST)
    made.write("pixi.lock", LOCK)
    made.write("src/main.py", "print('hello')\n")
    return made


@pytest.fixture(scope="session")
def without_certificates() -> Iterator[None]:
    """Nothing here is encrypted, and reading the machine's certificates takes longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        patch.setattr("httpx._transports.default.create_ssl_context", lambda **_: context)
        yield


@pytest.fixture
def server(without_certificates: None) -> Iterator[RegistryServer]:
    """An empty registry."""
    with serving_registry() as made:
        yield made


@pytest.fixture
def other(without_certificates: None) -> Iterator[RegistryServer]:
    """Another registry, which shares nothing with the first."""
    with serving_registry() as made:
        yield made


@pytest.fixture
def docker(tmp_path: Path) -> DockerProgram:
    """A stand-in for docker, to be put on the PATH."""
    return docker_program(tmp_path / "docker")

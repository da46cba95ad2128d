"""The layers of the base images: a minimal Debian, and pixi, or its stand-in with the Python that it runs on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rattler import Client, Gateway, Subdir, install, solve

from tests.rig import conda_packages, debian
from tests.rig.base import layers
from tests.rig.conda_recipes import BACKENDS
from tests.rig.errors import RigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.rig.base.layers import Layer
    from tests.rig.base.pixi import Pixi

SUITE = "bookworm"
HOME = Path("/usr/libexec/pixi-stand-in")
"""Where the stand-in's own Python lives in the image; not on PATH."""

_INCLUDE = ("ca-certificates",)
PRUNE = """\
rm -rf "$1"/usr/share/man/* "$1"/usr/share/locale/* "$1"/usr/share/info/*
find "$1"/usr/share/doc -type f ! -name copyright -delete
"""
_WHEELS = {
    "linux-64": (
        "py-rattler==0.28.0 --hash=sha256:4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb",
        "tomli==2.5.0 --hash=sha256:d7e369fd63331746182360977b1892bfc215476a30d61612d732425311639f56",
    ),
    "linux-aarch64": (
        "py-rattler==0.28.0 --hash=sha256:61b24202374188e72130f1b3dc63b455befaafc3e49e5481a38b6a6c8828c1e0",
        "tomli==2.5.0 --hash=sha256:86665cee9c4835b7a7f1e8ec2c719b5258d4dc782887aded5a8ae7352a96843b",
    ),
}
_PYTHON_PACKAGES = {"python", "libexpat", "libzlib"}
_LAUNCHER = """\
#!/bin/sh
# A stand-in for pixi in tests; see --help. Found from its own place, so that it works from a mounted image too.
home=${0%/*}/../../libexec/pixi-stand-in
[ -d "$home" ] || home=/usr/libexec/pixi-stand-in
case $0 in /*) PIXI_STAND_IN_EXE=$0 ;; *) PIXI_STAND_IN_EXE=$(command -v "$0") ;; esac
export PIXI_STAND_IN_EXE
exec "$home/bin/python3.11" -I -m pixi_stand_in "$@"
"""


def ensure_rootfs(cache: Path, say: Callable[[str], None]) -> Path:
    """The layer (.tar.gz) of the minimal Debian root file system, made when it is not in `cache`."""
    return rootfs(cache, say).path


def rootfs(cache: Path, say: Callable[[str], None]) -> Layer:
    """Debian without Python, git and curl, with ca-certificates and without apt's lists.

    Raises RigError when mmdebstrap fails.
    """

    def make(tar: IO[bytes]) -> None:
        say("base image: making the Debian root file system")
        _mmdebstrap(cache / "debs", tar)

    recipe = repr((SUITE, _INCLUDE, PRUNE, layers.CREATED)).encode()
    return layers.cached(cache / "base", f"rootfs-{hashlib.sha256(recipe).hexdigest()[:16]}", make)


def pixi(cache: Path, chosen: Pixi, say: Callable[[str], None], subdir: str = "linux-64") -> Layer:
    """The layer with /usr/local/bin/pixi: the program with the official image's mode, or the stand-in.

    `subdir` is conda's name of the platform. Raises UnavailableError for a given program on any but `linux-64`.
    """
    program = chosen.program
    if program is None:
        return _stand_in(cache, say, subdir)
    if subdir != "linux-64":
        msg = f"{chosen} is not for {subdir}; the stand-in for pixi is there for every platform of the rig"
        raise UnavailableError(msg)

    def make(tar: IO[bytes]) -> None:
        say(f"base image: packing {chosen}")
        with tempfile.TemporaryDirectory() as name, tarfile.open(fileobj=tar, mode="w") as archive:
            target = Path(name, "usr/local/bin/pixi")
            target.parent.mkdir(parents=True)
            shutil.copyfile(program, target)
            target.chmod(0o555)
            layers.add_tree(archive, Path(name))

    return layers.cached(cache / "base", f"pixi-{chosen.version}-{chosen.sha256}", make)


def _stand_in(cache: Path, say: Callable[[str], None], subdir: str) -> Layer:
    """The stand-in pixi: /usr/local/bin/pixi and its hidden Python."""
    channel = conda_packages.build(cache, say)

    def make(tar: IO[bytes]) -> None:
        say(f"base image: making the stand-in pixi for {subdir}")
        with tempfile.TemporaryDirectory() as name, tarfile.open(fileobj=tar, mode="w") as archive:
            tree = Path(name)
            _lay_out_stand_in(tree, channel, cache / "wheels", subdir)
            layers.add_tree(archive, tree)

    sources = sorted(Path(__file__).with_name("stand_in").glob("*.py"))
    digest = hashlib.sha256(f"{channel.name}{_WHEELS[subdir]}{BACKENDS}{_LAUNCHER}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    return layers.cached(cache / "base", f"stand-in-{subdir}-{digest.hexdigest()[:16]}", make)


def _mmdebstrap(debs: Path, tar: IO[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        debian.unpack(debian.fetch(["mmdebstrap"], suite=SUITE, into=debs)["mmdebstrap"], Path(name))
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        signed = f"[signed-by={keyring}] " if keyring.exists() else ""
        command: list[str | Path] = [
            *("perl", Path(name, "usr/bin/mmdebstrap"), "--quiet", "--mode=root", "--variant=minbase"),
            *("--format=tar", f"--include={','.join(_INCLUDE)}", "--skip=output/dev", "--architectures=amd64"),
            f"--customize-hook={PRUNE}",
            *(SUITE, "-", f"deb {signed}{debian.mirror(SUITE)} {SUITE} main"),
        ]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(layers.CREATED), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, stdout=tar, stderr=subprocess.PIPE, env=environment, check=False)
    if done.returncode:
        msg = f"mmdebstrap failed:\n{done.stderr.decode().strip()[-2000:]}"
        raise RigError(msg)


def _lay_out_stand_in(tree: Path, channel: Path, wheels: Path, subdir: str) -> None:
    home = tree / HOME.relative_to("/")
    asyncio.run(_install_python(home, channel, subdir))
    site_packages = home / "lib/python3.11/site-packages"
    _unpack_wheels(_WHEELS[subdir], wheels, site_packages, conda_packages.MACHINES[subdir])
    _unpack_wheels(BACKENDS, wheels, home / "backends")
    source = Path(__file__).with_name("stand_in")
    shutil.copytree(source, site_packages / "pixi_stand_in", ignore=shutil.ignore_patterns("__pycache__"))
    conda_packages.compile_modules(site_packages, home / "backends", strip=tree, invalidation="unchecked-hash")
    launcher = tree / "usr/local/bin/pixi"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(_LAUNCHER, encoding="ascii")
    launcher.chmod(0o755)


async def _install_python(home: Path, channel: Path, subdir: str) -> None:
    with tempfile.TemporaryDirectory() as cache:
        records = await solve(
            [channel.as_uri() + "/"],
            ["python 3.11.*"],
            gateway=Gateway(cache_dir=Path(cache)),
            platforms=[Subdir(subdir), Subdir("noarch")],
            virtual_packages=conda_packages.virtual_packages(),
        )
        wanted = [record for record in records if record.name.normalized in _PYTHON_PACKAGES]
        await install(
            wanted,
            home,
            cache_dir=Path(cache),
            alternative_target_prefix=HOME,
            platform=Subdir(subdir),
            show_progress=False,
            client=Client(),
        )
    shutil.rmtree(home / "conda-meta")


def backends(cache: Path) -> Path:
    """A folder with the build backends of Python packages that the stand-in brings along, in `cache`."""
    folder = cache / "base" / f"backends-{hashlib.sha256(repr(BACKENDS).encode()).hexdigest()[:16]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            _unpack_wheels(BACKENDS, cache / "wheels", Path(work, "unpacked"))
            Path(work, "unpacked").rename(folder)
    return folder


def _unpack_wheels(
    requirements: Sequence[str], wheels: Path, target: Path, machine: str = conda_packages.MACHINES["linux-64"]
) -> None:
    for wheel in conda_packages.fetch_wheels(requirements, wheels, machine):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)  # noqa: S202 - its hash is the one recorded here

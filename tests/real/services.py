"""Which services the example is shipped with: those that variables name, else the rig's.

PIXI_CONTAINER_REAL_IMAGE     name to push to, such as ghcr.io/lab/study/ci; then pixi's image and conda-forge
                              are the real ones, and the engine is the machine's own
PIXI_CONTAINER_REAL_USERNAME  who may push there
PIXI_CONTAINER_REAL_PASSWORD
PIXI_CONTAINER_REAL_PIXI      `default`, `oldest` that is supported, `newest` that is published, or a version
PIXI_CONTAINER_REAL_DRIVER    buildx driver: `docker`, the engine's own, or `docker-container`, whose place a
                              BuildKit daemon takes on a rig without the internet
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pixi_container.addresses import PIXI_IMAGE, PIXI_IMAGE_BASE
from pixi_container.image.base_images import DEFAULT_PIXI, OLDEST_PIXI
from pixi_container.registry.client import Registry
from pixi_container.registry.reference import parse_reference
from pixi_container.versions import version_order
from tests.rig import buildkit, solve
from tests.rig import rig as rig_module
from tests.rig.base.stand_in.manifest import CONDA_FORGE
from tests.rig.folders import Folders
from tests.rig.rig import Rig

ROOT = Path(__file__).parents[2]
_SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
_DRIVERS = ("docker", "docker-container")


@dataclass(frozen=True, kw_only=True)
class Services:
    """How to reach them; ``image`` is a repository in ``rig.registry``, without ``username`` open to all."""

    rig: Rig
    image: str
    username: str = ""
    password: str = ""
    pixi_version: str
    driver: str

    @classmethod
    def from_environment(cls, env: Mapping[str, str], rig: Callable[[], Rig]) -> Services:
        """Take what the variables name; ``rig`` is asked for only where no image is named.

        Raises ``ValueError`` for a value that is none.
        """
        value = {
            name: env.get(f"PIXI_CONTAINER_REAL_{name}", "")
            for name in ("IMAGE", "USERNAME", "PASSWORD", "PIXI", "DRIVER")
        }
        driver = value["DRIVER"] or "docker"
        if driver not in _DRIVERS:
            raise ValueError(f"PIXI_CONTAINER_REAL_DRIVER is {driver!r}; it may be {' or '.join(_DRIVERS)}")
        registry, _, image = value["IMAGE"].partition("/")
        components = _real(registry) if image else rig()
        return cls(
            rig=components,
            image=image or f"lab/real-{uuid4().hex[:8]}",
            username=value["USERNAME"],
            password=value["PASSWORD"],
            pixi_version=_version(value["PIXI"] or "default", components.pixi_image),
            driver=driver,
        )

    @property
    def env(self) -> dict[str, str]:
        """Variables with which docker reaches the engine."""
        return {**os.environ, **self.rig.environment()}

    def example(self, folder: Path) -> Path:
        """Make the example for this machine's platform in ``folder``, locked by the pixi that is to build it."""
        shutil.copytree(ROOT / "examples", folder)
        manifest = folder / "pixi.toml"
        subdir = _SUBDIRS[platform.machine()]
        manifest.write_text(manifest.read_text("utf-8").replace('"linux-64"', f'"{subdir}"'), "utf-8")
        if self.rig.pixi_is_stand_in:
            solve.lock(manifest, channel=self.rig.channel)
            return folder
        image = f"{self.rig.pixi_image}:{self.pixi_version}-{PIXI_IMAGE_BASE}"
        user = ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"]
        place = ["--volume", f"{folder.resolve()}:/work", "--workdir", "/work"]
        subprocess.run(["docker", "run", "--rm", *user, *place, image, "pixi", "lock"], env=self.env, check=True)
        return folder

    @contextmanager
    def builder(self) -> Iterator[str]:
        """Return the name of a builder with the driver, for as long as the context lasts."""
        if self.driver == "docker":
            yield "auto"
        elif self.rig.pixi_is_stand_in:
            address = rig_module.start_buildkit(Folders.from_environment(os.environ), print)
            with buildkit.builder(address, environment=self.rig.environment()) as name:
                yield name
        else:
            name = f"pixi-container-real-{uuid4().hex[:8]}"
            # On the machine's network, as the registry of a rig is on its loopback.
            options = ["--driver", self.driver, "--driver-opt", "network=host"]
            self._buildx("create", "--name", name, *options)
            try:
                yield name
            finally:
                self._buildx("rm", "--force", name)

    def _buildx(self, *arguments: str) -> None:
        subprocess.run(["docker", "buildx", *arguments], env=self.env, check=True)


def _real(registry: str) -> Rig:
    return Rig(
        docker_host="",
        docker_config="",
        path="",
        registry=registry,
        password_registry="",
        username="",
        password="",
        pixi_image=PIXI_IMAGE,
        pixi="pixi of its official image",
        pixi_sha256=None,
        slim_image="docker.io/library/debian:bookworm-slim",
        pixi_is_stand_in=False,
        channel=CONDA_FORGE,
        channel_is_stand_in=False,
        pixi_home="",
        mirror="",
    )


def _version(asked: str, pixi_image: str) -> str:
    if asked == "newest":
        with Registry(lambda _: None) as registry:
            tags = registry.get_tags(parse_reference(pixi_image, source="the rig"))
        named = [re.fullmatch(rf"(\d+\.\d+\.\d+)-{PIXI_IMAGE_BASE}", tag) for tag in tags]
        return max((tag[1] for tag in named if tag), key=version_order)
    version = {"default": DEFAULT_PIXI, "oldest": OLDEST_PIXI}.get(asked, asked)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"PIXI_CONTAINER_REAL_PIXI is {asked!r}; it may be default, oldest, newest or a version")
    return version

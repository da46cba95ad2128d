"""Who builds: the usual recipe, and the command of this project."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from pixi_container.docker.builder import NO_BUILDER
from pixi_container.image.base_images import DEFAULT_PIXI
from tests.bench.watched import run_watched, used_below
from tests.rig import buildkit

if TYPE_CHECKING:
    from tests.bench.workspaces import Workspace
    from tests.rig.rig import Rig

ROOT = Path(__file__).parents[2]
_KINDS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)
_PIXI_TAG = f"{DEFAULT_PIXI}-noble"


class BenchError(Exception):
    """A build failed; the text has its last lines."""


@dataclass(frozen=True)
class Took:
    """What one run took.

    ``pushed`` are the compressed bytes of layers that the registry did not have before. ``memory`` and ``disk``
    are the most that our process had at once, resident and in temporary files; 0 for the recipe, which has none.
    ``memory_of_all`` is that of our processes and of the clients of the engine that they start.
    """

    seconds: float
    pushed: int
    memory: int = 0
    disk: int = 0
    memory_of_all: int = 0


@dataclass(kw_only=True)
class Contestant:
    """The recipe, ours, or ours without a builder ("none"), with a repository of the registry of its own.

    ``builder`` is empty for the engine's own, and ``builder_data`` is the folder of the builder's data; None where
    nobody knows. ``name_for_ours`` is the repository as our command names it, by another address of the registry.
    ``constants`` are assigned before our command runs, each as ``module.name``: it has no inputs for
    them.
    """

    name: str
    components: Rig
    builder: str
    builder_data: Path | None = None
    image: str = field(default_factory=lambda: f"bench/{time.time_ns()}")
    inputs: dict[str, str] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    name_for_ours: str = ""
    known: set[str] = field(default_factory=set)

    @property
    def env(self) -> dict[str, str]:
        """Variables for its processes."""
        hidden = ("GITHUB_", "INPUT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        # The current builder, as docker/setup-buildx-action leaves one.
        current = {"BUILDX_BUILDER": self.builder} if self.builder not in {"", NO_BUILDER} else {}
        return {**kept, **self.components.environment(), **current, "PYTHONPATH": str(ROOT / "src")}

    def run(self, workspace: Workspace, tag: str = "") -> Took:
        """Empty the builder, then build and push once. Raises BenchError."""
        self.empty()
        command, env = self._recipe(tag) if self.name == "recipe" else self._ours(workspace, tag)
        # Beside the checkout, so on the machine's disk.
        with tempfile.TemporaryDirectory(dir=workspace.folder.parent) as name:
            temporary = Path(name)
            variables = {**env, "RUNNER_TEMP": name}
            done = run_watched(command, cwd=workspace.folder, env=variables, temporary=temporary)
        if done.code != 0:
            msg = f"{self.name} failed:\n{done.output[-6000:]}"
            raise BenchError(msg)
        layers = self.layers()
        pushed = sum(size for digest, size in layers.items() if digest not in self.known)
        self.known |= layers.keys()
        if self.name == "recipe":
            return Took(done.seconds, pushed)
        return Took(done.seconds, pushed, done.memory, done.disk, done.memory_of_all)

    def empty(self) -> None:
        """Leave the builder without a cache, the engine without images as well."""
        if self.builder == NO_BUILDER:
            return
        if self.builder:
            buildkit.prune(self.builder, environment=self.env)
        else:
            empty_engine(self.env)

    def builder_disk(self) -> int:
        """Return the bytes of disk that the builder has now."""
        return used_below(self.builder_data) if self.builder_data else 0

    def layers(self, tag: str = "") -> dict[str, int]:
        """Return every layer of its repository in the registry, or of one tag, with its compressed bytes."""
        layers: dict[str, int] = {}
        with httpx.Client(base_url=f"http://{self.components.registry}/v2/{self.image}/") as client:

            def manifest(reference: str) -> dict[str, list[dict[str, str]]]:
                return client.get(f"manifests/{reference}", headers={"accept": _KINDS}).json()  # type: ignore[no-any-return]

            for each in [tag] if tag else client.get("tags/list").json()["tags"]:
                top = manifest(each)
                for image in [manifest(child["digest"]) for child in top.get("manifests", ())] or [top]:
                    layers |= {layer["digest"]: int(layer["size"]) for layer in image.get("layers", ())}
        return layers

    @property
    def reference(self) -> str:
        """Its repository, with the registry's address."""
        return f"{self.components.registry}/{self.image}"

    def _recipe(self, tag: str) -> tuple[list[str], dict[str, str]]:
        arguments = (f"PIXI_IMAGE={self.components.pixi_image}:{_PIXI_TAG}", "ENVIRONMENT=default")
        flags = [word for argument in arguments for word in ("--build-arg", argument)]
        file = str(ROOT / "tests" / "end_to_end" / "usual.Dockerfile")
        tags = [word for name in ("latest", tag) if name for word in ("--tag", f"{self.reference}:{name}")]
        return ["docker", "buildx", "build", *flags, "--file", file, "--push", *tags, "."], self.env

    def _ours(self, workspace: Workspace, tag: str) -> tuple[list[str], dict[str, str]]:
        given = {
            "images": self.name_for_ours or self.reference,
            "pixi-image": self.components.pixi_image,
            **self.inputs,
        }
        if self.builder == NO_BUILDER:
            given["builder"] = NO_BUILDER
        flags = [word for name, value in given.items() for word in (f"--{name}", value)]
        program = ["-m", "pixi_container"]
        if self.constants:
            lines = ["import sys, pixi_container.cli"]
            for place, value in self.constants.items():
                module = place.rpartition(".")[0]
                lines += [f"import {module}", f"{place} = {value!r}"]
            program = ["-c", "\n".join([*lines, "sys.exit(pixi_container.cli.main())"])]
        return [sys.executable, *program, "run", *flags], {
            **self.env,
            **workspace.event(tag),
        }


def empty_engine(env: dict[str, str]) -> None:
    """Remove every image of the engine and its builder's cache."""
    for what in ("image", "builder"):
        subprocess.run(["docker", what, "prune", "--all", "--force"], env=env, check=True, capture_output=True)

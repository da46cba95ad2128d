"""Seconds and bytes of the flow against the usual recipe, in one run on the same workspace, engine and registry.

Every round starts with an empty builder, as on a hosted runner. The recipe is one Dockerfile that copies
everything and installs, built and pushed by buildx, untested. On the engine's own driver both unpack the image.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.rig import rig, solve
from tests.rig.folders import Folders
from tests.rig.rig import Rig

ROOT = Path(__file__).parents[1]
KINDS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
EVENT = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "lab/bench"}


@dataclass(frozen=True)
class Round:
    """What one build and push took; ``pushed`` counts the bytes of layers that the last image did not have."""

    seconds: float
    pushed: int


@dataclass(frozen=True)
class Contestant:
    """The recipe or the action, each with a repository of its own."""

    name: str
    components: Rig
    workspace: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables for its processes."""
        return {**os.environ, **self.components.environment(), "PYTHONPATH": str(ROOT / "src")}

    def round(self, before: dict[str, int]) -> tuple[Round, dict[str, int]]:
        """Empty the builder, build and push once; ``before`` are the layers of the last image."""
        for what in ("image", "builder"):
            subprocess.run(
                ["docker", what, "prune", "--all", "--force"], env=self.env, check=True, capture_output=True
            )
        start = time.monotonic()
        done = subprocess.run(
            self.command(),
            cwd=self.workspace,
            env={**self.env, **EVENT},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        if done.returncode != 0:
            sys.exit(f"{self.name} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        layers = self.layers()
        return Round(seconds, sum(size for digest, size in layers.items() if digest not in before)), layers

    def command(self) -> list[str]:
        """Give the command line."""
        image = f"{self.components.registry}/bench/{self.name}"
        if self.name == "recipe":
            arguments = [
                f"PIXI_IMAGE={self.components.pixi_image}:0.76.1-noble",
                "ENVIRONMENT=gpu",
                "CUDA_VERSION=12",
            ]
            flags = [word for argument in arguments for word in ("--build-arg", argument)]
            file = str(ROOT / "tests" / "end_to_end" / "usual.Dockerfile")
            return ["docker", "buildx", "build", *flags, "--file", file, "--push", "--tag", f"{image}:latest", "."]
        flags = [
            "--environment",
            "gpu",
            "--images",
            image,
            "--pixi-image",
            self.components.pixi_image,
            "--push",
            "auto",
        ]
        return [sys.executable, "-m", "pixi_container", "run", *flags, "--tags", "type=raw,value=latest"]

    def layers(self) -> dict[str, int]:
        """Give the layers of what it pushed, with their compressed sizes."""
        url = f"http://{self.components.registry}/v2/bench/{self.name}/manifests/"
        manifest = httpx.get(
            url + "latest", headers={"accept": KINDS + ", application/vnd.oci.image.index.v1+json"}
        ).json()
        if "manifests" in manifest:
            manifest = httpx.get(url + manifest["manifests"][0]["digest"], headers={"accept": KINDS}).json()
        return {layer["digest"]: layer["size"] for layer in manifest["layers"]}


def main() -> int:
    """Run all rounds and print the table."""
    folders = Folders.from_environment(os.environ)
    was_up = all(component.healthy for component in rig.status(folders))
    try:
        with tempfile.TemporaryDirectory(prefix="pixi-container-bench-") as temporary:
            _bench(rig.up(folders, print), Path(temporary))
    finally:
        if not was_up:
            rig.down(folders, print)
    return 0


def _bench(components: Rig, temporary: Path) -> None:
    workspace = temporary / "example"
    shutil.copytree(ROOT / "examples", workspace)
    solve.lock(workspace / "pixi.toml", channel=components.channel)
    contestants = [Contestant(name, components, workspace) for name in ("recipe", "action")]
    layers: dict[str, dict[str, int]] = {contestant.name: {} for contestant in contestants}
    print(f"\n{'what changed':<18} {'recipe':>20} {'action':>20} {'time':>7} {'bytes':>7}")
    for change in ("first build", "one source file"):
        if change == "one source file":
            with (workspace / "src" / "means.py").open("a") as file:
                file.write("# a change\n")
        rounds = []
        for contestant in contestants:
            result, layers[contestant.name] = contestant.round(layers[contestant.name])
            rounds.append(result)
        recipe, action = rounds
        cells = [f"{result.seconds:8.1f} s {result.pushed / 1e6:7.1f} MB" for result in rounds]
        ratios = f"{action.seconds / recipe.seconds:7.2f} {action.pushed / recipe.pushed:7.3f}"
        print(f"{change:<18} {cells[0]:>20} {cells[1]:>20} {ratios}", flush=True)
    for name, arguments in (("tags", ["tags"]), ("plan --offline", ["plan", "--offline", "--environment", "gpu"])):
        print(f"start-up of {name}: {_median(contestants[1], workspace, arguments):.2f} s (median of 5)")


def _median(contestant: Contestant, workspace: Path, arguments: list[str]) -> float:
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "pixi_container",
            *arguments,
            "--images",
            "localhost/bench",
            "--tags",
            "a",
        ]
        subprocess.run(command, cwd=workspace, env={**contestant.env, **EVENT}, check=True, capture_output=True)
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())

"""What tests of real images' shapes share: to ship files with settings, and to use the image as its users do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pixi_container.image.base_images import DEFAULT_PIXI
from tests.end_to_end.conftest import Outcome, Step
from tests.rig import apt_archive, solve
from tests.rig.rig import Rig

MANIFEST = """\
[workspace]
name = "shape"
version = "2.3.0"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"

[tasks]
serve = "python serve.py 8000"
hello = "python -c \\"print('hello')\\""
"""
"""The workspace of most shapes: what they are about is not in the environment, whose layers all of them share."""

SERVE = """\
import http.server, os, sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["ANSWER"].encode())


http.server.HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""
"""A service: it answers every request with the variable ANSWER."""

_ASK = """\
import sys, time, urllib.request
deadline = time.monotonic() + 30
while True:
    try:
        print(urllib.request.urlopen(sys.argv[1]).read().decode())
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
"""

_PROGRAMS = {
    "curl": 'shift; exec python -c "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])" "$@"',
    "tini": 'shift; exec "$@"',
}
"""What stands in for programs of Debian, as far as the tests use them; others say their name and version."""


@dataclass(frozen=True)
class Bases:
    """Images whose apt-get knows the rig's archive: a small one, and one with Pixi and a vendor's variables."""

    slim: str
    pixi: str
    sources: str


def docker(rig: Rig, *arguments: str) -> str:
    """Run docker on the rig's engine and give its standard output."""
    env = {**os.environ, **rig.environment()}
    done = subprocess.run(["docker", *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def published(rig: Rig, folder: Path, dockerfile: str) -> str:
    """Build a Dockerfile in an empty context, push it, and give the image's name."""
    name = f"{rig.registry}/lab/made-{uuid4().hex[:8]}:1"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(dockerfile)
    docker(rig, "build", "--quiet", "--tag", name, str(folder))
    docker(rig, "push", "--quiet", name)
    docker(rig, "image", "rm", name)
    return name


@contextmanager
def bases_of(rig: Rig, folder: Path) -> Iterator[Bases]:
    """Yield bases whose packages are served as long as they are needed."""
    gateway = docker(rig, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    (folder / "archive").mkdir()
    with apt_archive.served(folder / "archive", gateway) as archive:
        for name in ("build-essential", "curl", "fonts-lab", "git", "libcairo2-dev", "libgl1", "tini"):
            archive.add(name, "1.0-1", _PROGRAMS.get(name, ""))
        sources = f"RUN rm -rf /etc/apt/sources.list* && echo '{archive.sources}' > /etc/apt/sources.list\n"
        vendor = "ENV NVIDIA_VISIBLE_DEVICES=all VENDOR=lab\n"
        pixi = f"FROM {rig.pixi_image}:{DEFAULT_PIXI}-noble\n"
        yield Bases(
            slim=published(rig, folder / "slim", f"FROM {rig.slim_image}\n{sources}"),
            pixi=published(rig, folder / "pixi", f"{pixi}{sources}{vendor}"),
            sources=archive.sources,
        )


@dataclass(frozen=True)
class Shipped:
    """An image that a run has made, and the run."""

    step: Step
    outcome: Outcome

    @property
    def image(self) -> str:
        """The image's name and digest."""
        return self.outcome.outputs["image"]

    @property
    def config(self) -> dict[str, Any]:
        """What the image says of how it is started; pulls it."""
        docker(self.step.rig, "pull", "--quiet", self.image)
        (inspected,) = json.loads(docker(self.step.rig, "image", "inspect", self.image))
        return dict(inspected["Config"])

    def run(self, *command: str, options: tuple[str, ...] = ()) -> str:
        """Run a command in a container of its own."""
        return docker(self.step.rig, "run", "--rm", *options, self.image, *command)

    @contextmanager
    def running(self, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
        """Yield a container that runs until the end of the block."""
        name = docker(self.step.rig, "run", "--detach", *options, self.image, *command)
        try:
            yield name
        finally:
            docker(self.step.rig, "rm", "--force", "--volumes", name)

    def ask(self, container: str, port: int) -> str:
        """Return what a service in the container answers, once it does."""
        words = ("exec", container, "python", "-c", _ASK, f"http://localhost:{port}/")
        return docker(self.step.rig, *words)


def health(rig: Rig, container: str) -> str:
    """Return what the engine says of a container's health, once it knows."""
    status = "starting"
    while status == "starting":
        status = docker(rig, "inspect", "--format", "{{.State.Health.Status}}", container)
    return status


def write(step: Step, files: Mapping[str, str], *, manifest: str = MANIFEST, at: str = "") -> None:
    """Write a workspace with its lock and other files, and commit them; ``at`` is its folder below the context.

    Without it, the context is the folder ``study``; with it, the repository, and ``study`` is removed.
    """
    root = step.repository.path if at else step.repository.study
    shutil.rmtree(step.repository.study)
    for name, text in {f"{at or '.'}/pixi.toml": manifest, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    solve.lock(root / at / "pixi.toml", channel=step.rig.channel)
    step.repository.commit()


def shipped(step: Step, *, event: str = "push", ref: str = "refs/heads/main", **inputs: str) -> Shipped:
    """Build, test and push with these settings; the environment is ``default`` unless they name another."""
    inputs.setdefault("environment", "default")
    outcome = step.run(event, ref, None, **inputs)
    assert outcome.code == 0, outcome.log
    assert outcome.left_in_temp == []
    return Shipped(step, outcome)

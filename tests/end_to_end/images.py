"""Images that tests look into: built once per session by the command, kept in the engine, removed at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conftest import layer_cache
from tests.rig.rig import Rig

ROOT = Path(__file__).parents[2]

PROBE = "import json, os, sys; print(json.dumps([sys.prefix, os.getpid(), dict(os.environ)]))"
"""Python that tells its prefix, its process id and its environment."""

STRANGER = ("--user", "54321:54321", "--read-only", "--env", "HOME=/nonexistent")
"""Options of `docker run` for what batch systems do: a user unknown to the image, nothing writable."""


@dataclass(frozen=True)
class Probe:
    """What a Python started in the image tells."""

    prefix: str
    pid: int
    env: dict[str, str]


@dataclass(frozen=True)
class Image:
    """An image in the rig's engine; ``environment`` is Pixi's name of what is in it."""

    rig: Rig
    name: str
    environment: str
    has_pixi: bool

    @property
    def prefix(self) -> str:
        """Folder of the environment."""
        return f"/app/.pixi/envs/{self.environment}"

    def docker(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """Run docker and give its standard output; its errors are shown where it fails."""
        done = subprocess.run(
            ["docker", *arguments],
            env={**os.environ, **self.rig.environment()},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def run(self, *command: str, options: Sequence[str] = ()) -> str:
        """Run a command in a container of its own."""
        return self.docker("run", "--rm", *options, self.name, *command)

    def wait_for(self, container: str, line: str) -> None:
        """Follow the container's output up to the line; fails when the container ends before."""
        with subprocess.Popen(
            ["docker", "logs", "--follow", container],
            env={**os.environ, **self.rig.environment()},
            stdout=subprocess.PIPE,
            text=True,
        ) as logs:
            assert logs.stdout
            assert any(said.rstrip("\n") == line for said in logs.stdout), f"the container never said {line!r}"
            logs.terminate()

    def config_env(self) -> dict[str, str]:
        """The environment that the image's configuration holds."""
        listed = json.loads(self.docker("image", "inspect", "--format", "{{json .Config.Env}}", self.name))
        return dict(entry.split("=", 1) for entry in listed)


def parse_probe(text: str) -> Probe:
    """Read the probe's line, the last one."""
    return Probe(*json.loads(text.splitlines()[-1]))


def build(rig: Rig, context: Path, name: str, environment: str, *, slim: bool = False, labels: str = "") -> Image:
    """Build an image by the command, as on a laptop, and keep it under ``name``."""
    repository, _, tag = name.partition(":")
    options = {
        "context": context,
        "environment": environment,
        "pixi-image": rig.pixi_image,
        "layer-cache": layer_cache(rig),
        "images": repository,
        "tags": f"type=raw,value={tag}",
        "labels": labels,
        "runtime-image": rig.slim_image if slim else "",
    }
    given = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    hidden = ("GITHUB_", "INPUT_")
    done = subprocess.run(
        [sys.executable, "-m", "pixi_container", "build", *given],
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith(hidden)},
            **rig.environment(),
            "PYTHONPATH": str(ROOT / "src"),
            "INPUT_PASSWORD": SECRET,
            "INPUT_USERNAME": "someone",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return Image(rig, name, environment, has_pixi=not slim)


SECRET = "hunter2-is-the-password"
"""Given to each build as a password that nothing needs."""

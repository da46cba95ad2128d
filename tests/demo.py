"""The demo: the example workspace to a tested image on a registry, by the command that the action runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.rig import rig, solve
from tests.rig.errors import RigError
from tests.rig.folders import Folders

ROOT = Path(__file__).parents[1]
ENVIRONMENT = "gpu"


def main() -> int:
    """Bring up what is missing, ship the example as a push to its default branch, run it, clean up."""
    start = time.monotonic()
    folders = Folders.from_environment(os.environ)
    try:
        with (
            rig.borrowed(folders, _say) as components,
            tempfile.TemporaryDirectory(prefix="pixi-container-demo-") as temporary,
        ):
            _demo(components, Path(temporary))
    except RigError as error:
        _say(f"error: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        _say(f"error: {error.cmd[0]} ended with {error.returncode}; its own lines above say why")
        return 1
    seconds = time.monotonic() - start
    _say(f"\nThe demo took {seconds:.0f} s. Nothing of it is left but downloads in {folders.cache}.")
    return 0


def _demo(components: rig.Rig, temporary: Path) -> None:
    workspace = temporary / "example"
    shutil.copytree(ROOT / "examples", workspace)
    env = {**os.environ, **components.environment()}
    if components.channel_is_stand_in:
        _say("\nconda-forge cannot be reached from here: the example is locked against the rig's own channel.")
    if components.pixi_is_stand_in:
        _say(f"ghcr.io cannot be reached from here: the builder image holds a {components.pixi}.")
    if not (workspace / "pixi.lock").exists():
        solve.lock(workspace / "pixi.toml", channel=components.channel)
    sha = _commit(workspace, env)
    outputs = temporary / "outputs"
    outputs.touch()
    _say("\nWhat a workflow does on a push to main:")
    subprocess.run(
        [sys.executable, "-m", "pixi_container", "run"],
        check=True,
        cwd=workspace,
        env={
            **env,
            "PYTHONPATH": str(ROOT / "src"),
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_SHA": sha,
            "GITHUB_REPOSITORY": "lab/example",
            "GITHUB_OUTPUT": str(outputs),
            "INPUT_ENVIRONMENT": ENVIRONMENT,
            "INPUT_IMAGES": f"{components.registry}/lab/example",
            "INPUT_PIXI_IMAGE": components.pixi_image,
            "INPUT_TAGS": "type=raw,value=latest\ntype=sha",
        },
    )
    image = _output(outputs, "image")
    _say(f"\nThe program, from the registry by digest:\n+ docker run --rm {image} python src/means.py")
    subprocess.run(["docker", "run", "--rm", image, "python", "src/means.py"], check=True, env=env)
    subprocess.run(["docker", "image", "rm", image], check=True, env=env, stdout=subprocess.DEVNULL)


def _commit(workspace: Path, env: dict[str, str]) -> str:
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
    for arguments in (["init", "--quiet", "-b", "main"], ["add", "."], ["commit", "--quiet", "-m", "demo"]):
        subprocess.run(["git", *identity, *arguments], check=True, cwd=workspace, env=env)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, cwd=workspace, capture_output=True, text=True)
    return head.stdout.strip()


def _output(file: Path, name: str) -> str:
    """Read one output of one line from the file that a runner would read."""
    lines = file.read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{name}<<"))
    return lines[start + 1]


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""What is built: workspaces in repositories of their own, and the changes that are made to them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig import conda_packages, solve, synthetic
from tests.rig.analysis_recipes import ANALYSIS
from tests.rig.channel import MOUNT, Server
from tests.rig.github import NOTHING, Repository, github_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.folders import Folders
    from tests.rig.github import GitHub
    from tests.rig.rig import Rig
    from tests.rig.synthetic import Shape

SMALL_PACKAGE = ("tqdm", "4.66.6", "4.67.1")
"""What is bumped, from which version to which."""

_DEPENDENCIES = {
    "python": "3.11.*",
    **dict.fromkeys(("numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "pyarrow", "numba"), "*"),
    **dict.fromkeys(("rich", "proj", "sqlite"), "*"),
    "tqdm": "==4.66.6",
}


class Workspace:
    """A workspace in a checkout, pushed to a repository on the stand-in for GitHub, and changes made to it."""

    def __init__(
        self, folder: Path, github: GitHub, channel: str, dependencies: dict[str, str], environments: int = 1
    ) -> None:
        self.folder = folder
        self._github = github
        self._channel = channel
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "main.py").write_text("print('hello')\n")
        head = f'[workspace]\nname = "bench"\nchannels = ["{channel}"]\nplatforms = ["linux-64"]\n'
        pins = "".join(f'{name} = "{version}"\n' for name, version in dependencies.items())
        self._git("init", "--quiet", "--initial-branch=main")
        names = [f"e{number:02}" for number in range(1, environments)]
        variables = "".join(f'[feature.{name}.activation.env]\nOF_ENVIRONMENT = "{name}"\n\n' for name in names)
        features = "".join(f'{name} = ["{name}"]\n' for name in names)
        more = f"\n{variables}[environments]\n{features}" if names else ""
        self._write_manifest(f"{head}\n[dependencies]\n{pins}{more}")

    def change_nothing(self) -> None:
        """Push a commit without a change."""
        self._push()

    def change_source(self) -> None:
        """Push a change of one line."""
        with (self.folder / "src" / "main.py").open("a") as file:
            file.write("# a change\n")
        self._push()

    def bump(self, *names: str, old: str, new: str) -> None:
        """Push other versions of packages, all from one version to another."""
        text = (self.folder / "pixi.toml").read_text()
        for name in names:
            text = text.replace(f'{name} = "=={old}"', f'{name} = "=={new}"')
        self._write_manifest(text)

    def event(self, tag: str) -> dict[str, str]:
        """Return what a runner tells a step of the last push, or of a tag that is put on it."""
        if tag:
            self._git("push", "--quiet", os.fspath(self._github.repository.path), f"HEAD:refs/tags/{tag}")
            self._write_event(NOTHING, f"refs/tags/{tag}")
        return {
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_REF": f"refs/tags/{tag}" if tag else "refs/heads/main",
            "GITHUB_SHA": self._git("rev-parse", "HEAD"),
            "GITHUB_REPOSITORY": self._github.repository.full_name,
            "GITHUB_SERVER_URL": self._github.url,
            "GITHUB_API_URL": self._github.api_url,
            "GITHUB_EVENT_PATH": os.fspath(self._payload),
            "INPUT_GITHUB_TOKEN": self._github.token,
        }

    @property
    def _payload(self) -> Path:
        return self.folder.parent / "event.json"

    def _write_manifest(self, text: str) -> None:
        manifest = self.folder / "pixi.toml"
        manifest.write_text(text)
        solve.lock(manifest, channel=self._channel, channel_name_in_lock=self._channel)
        self._push()

    def _push(self) -> None:
        before = self._github.repository.commit_id("refs/heads/main") or NOTHING
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", "change")
        self._git("push", "--quiet", os.fspath(self._github.repository.path), "HEAD:refs/heads/main")
        self._write_event(before, "refs/heads/main")

    def _write_event(self, before: str, ref: str) -> None:
        payload = self._github.push_event(before=before, after=self._git("rev-parse", "HEAD"), ref=ref)
        self._payload.write_text(json.dumps(payload))

    def _git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


class Workspaces:
    """Makes new workspaces, whose channel and repository are served as long as they are used."""

    def __init__(self, components: Rig, folders: Folders, temporary: Path) -> None:
        self._components = components
        self._cache = folders.cache
        self._temporary = temporary

    @contextmanager
    def analysis(self, environments: int = 1) -> Iterator[Workspace]:
        """Return a workspace of real packages, as an environment for data analysis has them.

        Of several environments, each has these packages.
        """
        packages = conda_packages.build(self._cache, print, more=ANALYSIS)
        with self._served(packages) as channel, self._repository() as (folder, github):
            yield Workspace(folder, github, channel, _DEPENDENCIES, environments)

    @contextmanager
    def synthetic(self, shape: Shape, environments: int = 1) -> Iterator[Workspace]:
        """Return a workspace of made-up packages, each of version 1.0."""
        packages = synthetic.channel(shape, self._cache)
        with self._served(packages) as channel, self._repository() as (folder, github):
            yield Workspace(folder, github, channel, dict.fromkeys(shape.names(), "==1.0"), environments)

    @contextmanager
    def _repository(self) -> Iterator[tuple[Path, GitHub]]:
        """Return a folder for a checkout beside the repository that it is pushed to."""
        folder = Path(tempfile.mkdtemp(dir=self._temporary))
        with github_for(Repository.create(folder / "bench.git", "lab/bench")) as github:
            yield folder / "bench", github

    @contextmanager
    def _served(self, packages: Path) -> Iterator[str]:
        """Serve a channel at an address that build containers and this machine reach."""
        done = subprocess.run(
            ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"],
            env={**os.environ, **self._components.environment()},
            check=True,
            capture_output=True,
            text=True,
        )
        gateway = done.stdout.strip()
        server = Server((gateway, 0), packages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{gateway}:{server.server_address[1]}{MOUNT}/"
        finally:
            server.shutdown()
            server.server_close()

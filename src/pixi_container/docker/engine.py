"""The Docker engine and buildx: what is there, and the commands of a plan on it."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.docker.failures import explain
from pixi_container.errors import BuildFailedError, ImageTestFailedError
from pixi_container.processes import capture, stream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixi_container.docker.command import Command
    from pixi_container.log import Log

# What the build says where it could not split the environment, or pixi left something out, as buildx shows it.
NOTE = re.compile(r"#\d+ [\d.]+ pixi-container: ((?:one layer|not run): .+)")
_CLEAN_ATTEMPTS = 20
_CLEAN_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Pushed:
    """An image as the builder says that it pushed it: its digest and that of its configuration."""

    digest: str
    config: str


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is built. ``leftover_images`` are removed at the end; ``test_container`` is empty without a test."""

    dockerfile: str
    local_image: str
    leftover_images: tuple[str, ...]
    test_container: str


class Engine:
    """Carries out the commands of one build, showing what they print."""

    def __init__(
        self, build: Build, work: Path, env: Mapping[str, str], login: Mapping[str, str], log: Log
    ) -> None:
        self._build = build
        self._work = work
        self._env = env
        self._login = login
        self._log = log
        self._started = False
        self.notes: list[str] = []

    def build(self, command: Command) -> str:
        """Build, into the engine where the command says so, and give the digest of the image's configuration.

        Empty where nothing is kept of the image.
        """
        return self._buildx(command, needs=()).get("containerimage.config.digest", "")

    def test(self, command: Command) -> None:
        """Run the test in the built image. Raises ``ImageTestFailedError`` when it fails."""
        with self._log.untrusted_output() as show:
            # A client that a signal stops while it asks for the container leaves one that nobody removes.
            done = stream(
                command.argv,
                env=self._env,
                added=self._login,
                show=show,
                stop=self._remove_container,
            )
        if done.code != 0:
            raise ImageTestFailedError(
                f"the test in the built image failed with exit code {done.code}; nothing was pushed",
                hint="\n".join(done.output.splitlines()[-5:]),
            )

    def push(self, command: Command, tested: str = "") -> Pushed:
        """Push, and give what was pushed.

        ``tested`` is the digest of the tested image's configuration. Raises ``BuildFailedError`` when the builder
        pushed another image, and what ``explain`` returns when the push fails.
        """
        metadata = self._buildx(command, needs=("containerimage.config.digest", "containerimage.digest"))
        pushed = Pushed(metadata["containerimage.digest"], metadata["containerimage.config.digest"])
        if tested and pushed.config != tested:
            raise BuildFailedError(
                "the builder pushed another image than the one that was tested: its configuration is "
                f"{pushed.config}, the tested one's {tested}",
                hint="The builder lost its cache in between. Run again; if it happens again, use another builder.",
            )
        return pushed

    def image_size(self) -> int:
        """Return the image's size in the engine in bytes, 0 when it is not known."""
        done = capture(
            ["docker", "image", "inspect", "--format", "{{.Size}}", self._build.local_image], env=self._env
        )
        return int(done.output) if done.code == 0 and done.output.strip().isdigit() else 0

    def clean(self) -> None:
        """Remove the test container, if it is still there, and the images that nobody asked for."""
        if not self._started or not self._build.leftover_images:
            return
        for _ in range(_CLEAN_ATTEMPTS):
            if self._build.test_container:
                self._remove_container()
            done = capture(["docker", "image", "rm", *self._build.leftover_images], env=self._env)
            # The engine may still be at removing the container, which holds on to the image until then.
            if "conflict" not in done.errors:
                break
            time.sleep(_CLEAN_AGAIN_SECONDS)

    def _remove_container(self) -> None:
        capture(["docker", "rm", "--force", self._build.test_container], env=self._env)

    def _buildx(self, command: Command, needs: tuple[str, ...]) -> dict[str, str]:
        """Run one build and give the texts of its metadata, of which ``needs`` must be there."""
        self._prepare()
        with self._log.untrusted_output() as show:

            def watch(line: str) -> None:
                show(line)
                if (note := NOTE.match(line)) and note[1] not in self.notes:
                    self.notes.append(note[1])

            done = stream(
                command.in_folder(str(self._work)),
                env=self._env,
                added=self._login,
                show=watch,
                group_file=self._work / "build-process-group",
            )
        if done.code != 0:
            raise explain(done.output, purpose=command.purpose, code=done.code)
        try:
            metadata: dict[str, Any] = json.loads((self._work / f"{command.purpose}.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BuildFailedError(f"buildx succeeded but left no metadata: {error}") from error
        missing = set(needs) - metadata.keys()
        if missing:
            raise BuildFailedError(
                f"buildx succeeded but did not report {' and no '.join(sorted(missing))}",
                hint="Use a builder of the docker, docker-container, remote or kubernetes driver.",
            )
        return {name: value for name, value in metadata.items() if isinstance(value, str)}

    def _prepare(self) -> None:
        if self._started:
            return
        (self._work / "Dockerfile").write_text(self._build.dockerfile, "utf-8")
        # What the action's clean-up step removes when this process is killed and cannot.
        (self._work / "images").write_text("".join(f"{image}\n" for image in self._build.leftover_images))
        if self._build.test_container:
            (self._work / "container").write_text(self._build.test_container)
        self._started = True

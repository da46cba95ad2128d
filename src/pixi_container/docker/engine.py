"""Run the commands of a plan with docker and buildx."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixi_container.display import one_line
from pixi_container.docker.build_warnings import WITH_WARNINGS, failed_instruction, warnings_about
from pixi_container.docker.command import WRITTEN_DOCKERFILE
from pixi_container.docker.failures import explain
from pixi_container.errors import BuildFailedError, ImageTestFailedError, ToolUnavailableError
from pixi_container.processes import alongside, capture, stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pixi_container.docker.command import Command
    from pixi_container.image.own_lines import OwnLines
    from pixi_container.log import Log

# What the build prints if pixi left something out, as buildx shows it.
NOTE = re.compile(r"#\d+ [\d.]+ pixi-container: (not run: .+)")
# The exit code of `docker run` if the image does not have the program.
_NO_SUCH_PROGRAM = 127
_DIGESTS = ("containerimage.config.digest", "containerimage.digest")
_CLEAN_ATTEMPTS = 20
_CLEAN_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Pushed:
    """A pushed image as the builder reports it: the digests of the image and of its configuration."""

    digest: str
    config: str


@dataclass(frozen=True, kw_only=True)
class Build:
    """An image to build. ``leftover_images`` are removed at the end; ``test_container`` may be empty.

    ``own_lines`` are the lines of the Dockerfile that the user wrote, and ``file_lines`` those of a Dockerfile of
    the user's own, which is built where it is.
    """

    dockerfile: str
    own_lines: tuple[OwnLines, ...] = ()
    file_lines: tuple[OwnLines, ...] = ()
    local_image: str
    leftover_images: tuple[str, ...]
    test_container: str


class Engine:
    """Runs the commands of one build and shows their output."""

    def __init__(
        self, build: Build, work: Path, env: Mapping[str, str], login: Mapping[str, str], log: Log
    ) -> None:
        self._build = build
        self._work = work
        self._env = env
        self._login = login
        self._log = log
        self._started = False
        self._builder = ""
        self.notes: list[str] = []

    def create_builder(self, commands: Sequence[Command]) -> None:
        """Make the builder of nodes, which ``clean`` removes. Raises ``ToolUnavailableError`` if that fails."""
        self._builder = self._work.name
        # For the action's clean-up step, which removes the builder if this process is killed.
        (self._work / "builder").write_text(self._builder)
        for command in commands:
            done = capture(command.in_folder(str(self._work)), env=self._env, added=self._login)
            if done.code != 0:
                raise ToolUnavailableError(
                    f"buildx cannot make a builder of 'nodes': {one_line(done.errors)}",
                    hint="Check the node's endpoint and its options: docs/nodes.md.",
                )

    def emulate(self, command: Command) -> None:
        """Have the kernel run programs of another platform. Raises ``ToolUnavailableError`` if that fails."""
        with self._log.untrusted_output() as show:
            done = stream(command.argv, env=self._env, added=self._login, show=show)
        if done.code != 0:
            raise ToolUnavailableError(
                f"emulation could not be set up: {one_line(''.join(done.output.splitlines()[-1:]))}",
                hint="It needs a Docker engine on this machine that may run privileged containers, and the image "
                "of 'emulation'. A builder with a node of that platform does without.",
            )

    def check_environment(self, command: Command, context: Mapping[str, str]) -> None:
        """Start an environment in a build whose context has these files. Raises what ``explain`` returns."""
        self._write_context(command, context)
        self._buildx(command, needs=())

    @contextmanager
    def preparing(self, command: Command, context: Mapping[str, str]) -> Iterator[None]:
        """Have the builder do ahead of time, during the block, what ``check_environment`` will need."""
        self._write_context(command, context)
        with alongside(command.in_folder(str(self._work)), env=self._env, added=self._login):
            yield

    def list_packages(self, command: Command) -> None:
        """Run the steps of a base, and have the versions of packages written. Raises what ``explain`` returns."""
        self._buildx(command, needs=(), of="base")

    def build_base(self, command: Command) -> Pushed:
        """Return the base as the builder reports it. Raises what ``explain`` returns."""
        return self._pushed(self._buildx(command, needs=_DIGESTS))

    def build(self, command: Command) -> str:
        """Build the image, and return the digest of its configuration; empty if the image is not kept.

        Raises what ``explain`` returns if the build fails.
        """
        return self._buildx(command, needs=()).get("containerimage.config.digest", "")

    def test_stage(self, command: Command) -> None:
        """Build a stage that is a test. Raises ``ImageTestFailedError`` if a step of it fails."""
        try:
            self._buildx(command, needs=())
        except BuildFailedError as error:
            raise ImageTestFailedError(f"{error.message}; the image was not pushed", hint=error.hint) from error

    def test(self, command: Command, *, may_lack_shell: bool = False) -> None:
        """Run the test in the built image.

        Raises ``ImageTestFailedError`` if it fails. If the image ``may_lack_shell`` and does, nothing is tested,
        and a note says so.
        """
        with self._log.untrusted_output() as show:
            # If a signal stops the client while it requests the container, nobody removes that container.
            done = stream(
                command.argv,
                env=self._env,
                added=self._login,
                show=show,
                stop=self._remove_container,
            )
        if may_lack_shell and done.code == _NO_SUCH_PROGRAM:
            self.notes.append(
                "the image was not tested: it has no shell. Set 'test-target' to a stage that tests it, or "
                "'test-command' if the image has Bash"
            )
            return
        if done.code != 0:
            raise ImageTestFailedError(
                f"the test in the built image failed with exit code {done.code}; the image was not pushed",
                hint="\n".join(done.output.splitlines()[-5:]),
            )

    def push(self, command: Command, tested: str = "") -> Pushed:
        """Push the image, and return what was pushed.

        ``tested`` is the configuration digest of the tested image. Raises ``BuildFailedError`` if the builder
        pushed a different image, and what ``explain`` returns if the push fails.
        """
        pushed = self._pushed(self._buildx(command, needs=_DIGESTS))
        if tested and pushed.config != tested:
            raise BuildFailedError(
                "the builder pushed a different image from the one that was tested: the pushed configuration is "
                f"{pushed.config}, the tested one {tested}",
                hint="The builder probably lost its cache after the test. Run the job again; if the error "
                "persists, use another builder.",
            )
        return pushed

    def image_size(self) -> int:
        """Return the image's size in the engine in bytes; 0 if unknown."""
        done = capture(
            ["docker", "image", "inspect", "--format", "{{.Size}}", self._build.local_image], env=self._env
        )
        return int(done.output) if done.code == 0 and done.output.strip().isdigit() else 0

    def leave_images(self) -> None:
        """Note that no image of this build is in the engine, where others may have the same names."""
        self._build = replace(self._build, leftover_images=())

    def clean(self) -> None:
        """Remove the test container, if it still exists, the leftover images, and the builder of nodes."""
        self._clean_engine()
        if self._builder:
            capture(["docker", "buildx", "rm", "--force", self._builder], env=self._env, added=self._login)

    def _clean_engine(self) -> None:
        if not self._started or not self._build.leftover_images:
            return
        for _ in range(_CLEAN_ATTEMPTS):
            if self._build.test_container:
                self._remove_container()
            done = capture(["docker", "image", "rm", *self._build.leftover_images], env=self._env)
            # While the engine is still removing the container, the image is in use.
            if "conflict" not in done.errors:
                break
            time.sleep(_CLEAN_AGAIN_SECONDS)

    def _write_context(self, command: Command, context: Mapping[str, str]) -> None:
        folder = self._work / command.purpose
        folder.mkdir(exist_ok=True)
        for name, text in context.items():
            (folder / name).write_text(text, "utf-8")

    def _remove_container(self) -> None:
        capture(["docker", "rm", "--force", self._build.test_container], env=self._env)

    @staticmethod
    def _pushed(metadata: Mapping[str, str]) -> Pushed:
        return Pushed(metadata["containerimage.digest"], metadata["containerimage.config.digest"])

    def _buildx(
        self,
        command: Command,
        needs: tuple[str, ...],
        of: str = "",
    ) -> dict[str, str]:
        """Run one build, and return the string values of its metadata, in which ``needs`` must exist.

        ``of`` is what the build makes, if its purpose does not say it.
        """
        self._prepare()
        own_lines = self._lines_of(command)
        with self._log.untrusted_output() as show:

            def watch(line: str) -> None:
                show(line)
                if note := NOTE.match(line):
                    self._note(note[1])

            done = stream(
                command.in_folder(str(self._work)),
                env=self._env,
                added={**self._login, **WITH_WARNINGS},
                show=watch,
                group_file=self._work / "build-process-group",
            )
        if done.code != 0:
            place = failed_instruction(own_lines, done.output)
            raise explain(done.output, purpose=of or command.purpose, code=done.code, place=place)
        metadata = self._metadata(command)
        missing = set(needs) - metadata.keys()
        if missing:
            raise BuildFailedError(
                f"buildx succeeded but did not report {' or '.join(sorted(missing))}",
                hint="Use a builder with the docker, docker-container, remote or kubernetes driver.",
            )
        for warning in warnings_about(own_lines, metadata):
            self._note(warning)
        return {name: value for name, value in metadata.items() if isinstance(value, str)}

    def _lines_of(self, command: Command) -> tuple[OwnLines, ...]:
        """Return the user's lines in what a command builds; a check has a Dockerfile of its own."""
        if "--file" not in command.argv:
            return ()
        return self._build.own_lines if WRITTEN_DOCKERFILE in command.argv else self._build.file_lines

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _metadata(self, command: Command) -> dict[str, Any]:
        try:
            metadata: dict[str, Any] = json.loads((self._work / f"{command.purpose}.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BuildFailedError(f"buildx succeeded but wrote no metadata: {error}") from error
        return metadata

    def _prepare(self) -> None:
        if self._started:
            return
        (self._work / "Dockerfile").write_text(self._build.dockerfile, "utf-8")
        # For the action's clean-up step, which removes these images if this process is killed.
        (self._work / "images").write_text("".join(f"{image}\n" for image in self._build.leftover_images))
        if self._build.test_container:
            (self._work / "container").write_text(self._build.test_container)
        self._started = True

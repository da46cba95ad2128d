"""Take over from a Dockerfile what the action has an input for, instruction by instruction."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.init.copied_paths import Copied, copied_paths
from pixi_container.init.dockerfile_reading import expanded, final_stages, has_variables, read_dockerfile
from pixi_container.init.image_commands import as_words, of_command, of_entrypoint, plain_words
from pixi_container.init.shell_commands import Commands, read_commands
from pixi_container.init.verdicts import Part, Proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pixi_container.init.dockerfile_reading import DockerfileInstruction, DockerfileStage

INPUT_OF = {
    "FROM": "runtime-image",
    "apt-get": "apt-packages",
    "RUN before the environment": "base-instructions",
    "RUN after it": "instructions",
    "ENV": "env",
    "COPY": "include",
    "WORKDIR of the workspace": "workdir",
    "WORKDIR": "working-directory",
    "USER": "user",
    "ENTRYPOINT": "entrypoint",
    "CMD": "command",
    "EXPOSE": "expose",
    "VOLUME": "volumes",
    "HEALTHCHECK": "healthcheck",
    "STOPSIGNAL": "stop-signal",
    "LABEL": "labels",
    "pixi install --environment": "environment",
}
"""The input that has what an instruction does."""

_PREFIX = re.compile(r"(?P<folder>/[^\s:\"'=,]*?)?/\.pixi/envs/(?P<name>[a-z0-9-]+)")
_NOT_SETTABLE = re.compile(r"CONDA_.*|PIXI_.*|DEBIAN_FRONTEND|BASH_ENV")
_COMPUTED_LABELS = {
    f"org.opencontainers.image.{key}" for key in ("created", "revision", "source", "url", "version")
}
_PIXI_IMAGE = re.compile(r"(?:.*/)?(?:prefix-dev/)?pixi(?::.*|@.*)?")
_WITHOUT_BASH = re.compile(r"scratch|.*(?:distroless|alpine|busybox).*")
_NUMBERS = re.compile(r"[0-9]{1,10}(?::[0-9]{1,10})?")
"""An owner or a mode that 'include' takes."""
_ONLY_LAST = {"USER", "WORKDIR", "ENTRYPOINT", "CMD", "HEALTHCHECK", "STOPSIGNAL"}


@dataclass
class _Taking:
    """What is known while the instructions of the final image are read, one after the other."""

    file: str
    files: Collection[str]
    tasks: Mapping[str, str]
    proposal: Proposal
    stages: Sequence[DockerfileStage]
    chain: Sequence[DockerfileStage]
    folder: str
    variables: dict[str, str | None] = field(default_factory=dict)
    current: str = "/"
    has_environment: bool = False

    def take(self) -> None:
        """Give every instruction its verdict."""
        last = {each.keyword: each.line for stage in self.chain for each in stage.instructions}
        for stage in self.stages:
            for each in stage.instructions:
                part = self._part(each)
                if not each.is_readable:
                    part.left(self.proposal, "it cannot be read")
                elif stage not in self.chain:
                    self._of_other_stage(stage, each, part)
                elif each.keyword in _ONLY_LAST - {"WORKDIR"} and each.line != last[each.keyword]:
                    part.needless(self.proposal, "a later one takes its place")
                elif act := _ACTS.get(each.keyword):
                    act(self, each, part)
                else:
                    part.left(self.proposal, "there is no input for it")
        folder = self.current
        if folder not in {"/", self.folder}:
            changes = [each for stage in self.chain for each in stage.instructions if each.keyword == "WORKDIR"]
            self._part(changes[-1]).taken(self.proposal, INPUT_OF["WORKDIR"], folder)

    def _part(self, instruction: DockerfileInstruction) -> Part:
        return Part(self.file, instruction.line, instruction.title)

    def _text(self, text: str) -> str:
        return expanded(text, self.variables)

    def _of_other_stage(self, stage: DockerfileStage, each: DockerfileInstruction, part: Part) -> None:
        commands = read_commands(each.rest) if each.keyword == "RUN" else Commands()
        if not stage.is_of_pixi:
            part.left(
                self.proposal,
                "it belongs to a stage without Pixi; keep the Dockerfile for it",
            )
        elif commands and not commands.others:
            part.needless(self.proposal, "the environment is made from the lock")
        else:
            part.left(self.proposal, "the environment comes from the lock, without this step")

    def base(self, each: DockerfileInstruction, part: Part) -> None:
        """FROM: the base of the final image."""
        stage = next(stage for stage in self.chain if each in stage.instructions)
        if any(stage.base == other.name for other in self.chain):
            part.needless(self.proposal, "it builds on a stage above")
        elif _PIXI_IMAGE.fullmatch(stage.base):
            part.needless(self.proposal, "the base is Pixi's image, of a version that fits the lock")
        elif _WITHOUT_BASH.fullmatch(stage.base):
            part.left(self.proposal, "the base of the final image must have Bash and glibc")
        elif has_variables(stage.base):
            part.left(self.proposal, "the base depends on a build argument; set 'runtime-image'")
        else:
            part.taken(self.proposal, INPUT_OF["FROM"], stage.base)

    def argument(self, each: DockerfileInstruction, part: Part) -> None:
        """ARG: its default counts."""
        self.variables.update({name: value if value is None else self._text(value) for name, value in each.pairs})
        if all(value is not None for _, value in each.pairs):
            part.needless(self.proposal, "its default is used")
        else:
            part.left(self.proposal, "there are no build arguments, and it has no default")

    def variable(self, each: DockerfileInstruction, part: Part) -> None:
        """ENV: variables other than those of the environment."""
        for name, text in each.pairs:
            value = self._text(text or "")
            one = Part(part.file, part.line, f"ENV {name}={text}")
            if name == "PATH":
                folders = [folder for folder in value.split(":") if not re.search(r"\.pixi|\$\{?PATH\}?", folder)]
                if folders:
                    one.taken(self.proposal, INPUT_OF["ENV"], {name: ":".join([*folders, "$PATH"])})
                else:
                    one.needless(self.proposal, "the environment's PATH is set for every process")
            elif _NOT_SETTABLE.fullmatch(name):
                one.needless(self.proposal, "the environment is active, and apt asks nothing")
            else:
                one.taken(self.proposal, INPUT_OF["ENV"], {name: value})

    def run(self, each: DockerfileInstruction, part: Part) -> None:
        """RUN: Debian packages, the installation, or a step of its own."""
        commands = read_commands(each.rest)
        if commands and not commands.others:
            self.has_environment |= commands.runs_pixi
            if commands.packages:
                part.taken(self.proposal, INPUT_OF["apt-get"], list(commands.packages))
            elif commands.is_of_pixi:
                part.needless(self.proposal, "the environment is made from the lock, and active without a script")
            else:
                part.needless(self.proposal, "it has no effect in the image")
        elif commands and commands.is_of_pixi:
            self.has_environment = True
            steps = "; ".join(" ".join(words) for words in commands.others)
            part.left(
                self.proposal,
                f"the environment comes from the lock; put what you need of this into 'instructions': {steps}",
            )
        else:
            self._keep(each, part)

    def _keep(self, each: DockerfileInstruction, part: Part) -> None:
        """Keep an instruction as it is, with the build arguments that it refers to."""
        name = INPUT_OF["RUN after it" if self.has_environment else "RUN before the environment"]
        used = {reference for reference in re.findall(r"\$\{?(\w+)", each.source) if self.variables.get(reference)}
        arguments = "".join(f"ARG {name}={self.variables[name]}\n" for name in sorted(used))
        part.taken(self.proposal, name, f"{arguments}{each.source}\n")

    def copy(self, each: DockerfileInstruction, part: Part) -> None:
        """COPY and ADD: files of the context, of the stage with the environment, or of an image."""
        source = each.flags.get("from", "")
        stage = next((stage for stage in self.stages if stage.name and stage.name == source), None)
        if source.isdigit() and int(source) < len(self.stages):
            stage = self.stages[int(source)]
        # A text of the Dockerfile, or a download, is the same in instructions of one's own.
        if (source and not stage) or any(word.startswith("<<") or "://" in word for word in each.words):
            self._keep(each, part)
            return
        if stage and not stage.is_of_pixi:
            part.left(self.proposal, f"it comes from the stage '{source}', which is not taken over")
            return
        words = [self._text(word) for word in each.words]
        copied = copied_paths(words, self.current, self.folder, self.files, from_stage=bool(stage))
        self.has_environment |= bool(stage) or bool(copied.entries)
        self._say_copied(each, part, copied)

    def _say_copied(self, each: DockerfileInstruction, part: Part, copied: Copied) -> None:
        options = {name: each.flags[name] for name in ("chown", "chmod") if name in each.flags}
        numeric = {name: value for name, value in options.items() if _NUMBERS.fullmatch(value)}
        note = "" if numeric == options else " (files belong to root: 'include' takes owners by number)"
        prefix = "".join(f"--{name}={value} " for name, value in numeric.items())
        if copied.problem:
            part.left(self.proposal, copied.problem)
        elif copied.entries:
            part.taken(self.proposal, INPUT_OF["COPY"], [f"{prefix}{entry}" for entry in copied.entries], note)
        else:
            part.needless(self.proposal, "manifest, lock and environment are in the image anyway")

    def folder_change(self, each: DockerfileInstruction, part: Part) -> None:
        """WORKDIR: the last one counts, once all are known."""
        self.current = posixpath.normpath(posixpath.join(self.current, self._text(each.rest).strip("\"'")))
        if self.current == self.folder:
            part.needless(self.proposal, f"it is the workspace's folder, '{self.folder}'")

    def user(self, each: DockerfileInstruction, part: Part) -> None:
        """USER."""
        name = self._text(each.rest)
        if name.partition(":")[0] in {"root", "0"}:
            part.needless(self.proposal, "images start as root unless 'user' is set, and run as any user")
        else:
            part.taken(self.proposal, INPUT_OF["USER"], name)

    def entrypoint(self, each: DockerfileInstruction, part: Part) -> None:
        """ENTRYPOINT, unless it only activates the environment."""
        words = of_entrypoint(as_words(each), self.tasks, self.files)
        if words:
            self._take_command(part, INPUT_OF["ENTRYPOINT"], words)
        else:
            part.needless(self.proposal, "the environment is active without it")

    def command(self, each: DockerfileInstruction, part: Part) -> None:
        """CMD, with the `pixi run` of an entrypoint in front of it if it is a task."""
        entrypoints = [each for stage in self.chain for each in stage.instructions if each.keyword == "ENTRYPOINT"]
        words = of_command(as_words(each), as_words(entrypoints[-1]) if entrypoints else (), self.tasks)
        if words:
            self._take_command(part, INPUT_OF["CMD"], words)
        else:
            part.needless(self.proposal, "it is the default")

    def _take_command(self, part: Part, name: str, words: tuple[str, ...]) -> None:
        """Take a command; the command of a task stands for the task if the base has no Pixi to run it."""
        if words[:2] == ("pixi", "run") and INPUT_OF["FROM"] in self.proposal.settings:
            plain = plain_words(self.tasks.get(words[2], ""))
            if not plain:
                part.left(self.proposal, f"the base has no Pixi to run the task '{words[2]}'; write its command")
                return
            words = (*plain, *words[3:])
        part.taken(self.proposal, name, list(words))

    def ports(self, each: DockerfileInstruction, part: Part) -> None:
        """EXPOSE."""
        part.taken(self.proposal, INPUT_OF["EXPOSE"], [self._text(word) for word in each.words])

    def volumes(self, each: DockerfileInstruction, part: Part) -> None:
        """VOLUME."""
        part.taken(self.proposal, INPUT_OF["VOLUME"], [self._text(word) for word in each.words])

    def healthcheck(self, each: DockerfileInstruction, part: Part) -> None:
        """HEALTHCHECK, in Docker's own syntax."""
        flags = [f"--{name}={value}" for name, value in each.flags.items()]
        part.taken(self.proposal, INPUT_OF["HEALTHCHECK"], " ".join([*flags, each.rest]))

    def stop_signal(self, each: DockerfileInstruction, part: Part) -> None:
        """STOPSIGNAL."""
        part.taken(self.proposal, INPUT_OF["STOPSIGNAL"], self._text(each.rest))

    def labels(self, each: DockerfileInstruction, part: Part) -> None:
        """LABEL, other than those that the action computes."""
        for name, text in each.pairs:
            one = Part(part.file, part.line, f"LABEL {name}={text}")
            if name in _COMPUTED_LABELS:
                one.needless(self.proposal, "the action computes it from Git")
            else:
                one.taken(self.proposal, INPUT_OF["LABEL"], {name: self._text(text or "")})

    def author(self, each: DockerfileInstruction, part: Part) -> None:
        """MAINTAINER."""
        part.taken(self.proposal, INPUT_OF["LABEL"], {"org.opencontainers.image.authors": each.rest.strip("\"'")})


_ACTS: dict[str, Callable[[_Taking, DockerfileInstruction, Part], None]] = {
    "FROM": _Taking.base,
    "ARG": _Taking.argument,
    "ENV": _Taking.variable,
    "RUN": _Taking.run,
    "COPY": _Taking.copy,
    "ADD": _Taking.copy,
    "WORKDIR": _Taking.folder_change,
    "USER": _Taking.user,
    "ENTRYPOINT": _Taking.entrypoint,
    "CMD": _Taking.command,
    "EXPOSE": _Taking.ports,
    "VOLUME": _Taking.volumes,
    "HEALTHCHECK": _Taking.healthcheck,
    "STOPSIGNAL": _Taking.stop_signal,
    "LABEL": _Taking.labels,
    "MAINTAINER": _Taking.author,
}


def take_dockerfile(
    text: str, file: str, files: Collection[str], tasks: Mapping[str, str], proposal: Proposal
) -> None:
    """Add to the proposal what a Dockerfile says of the image.

    ``files`` are those of the build context, and ``tasks`` the commands of Pixi's tasks by name.
    """
    first, stages = read_dockerfile(text)
    if not stages:
        Part(file, 0, file).left(proposal, "it has no FROM")
        return
    environment, folder = _environment_and_folder(stages)
    taking = _Taking(file, files, tasks, proposal, stages, final_stages(stages), folder)
    for each in first:
        taking.argument(each, Part(file, each.line, each.title))
    taking.take()
    proposal.verdicts.sort(key=lambda verdict: verdict.line)
    if environment != "default":
        proposal.settings[INPUT_OF["pixi install --environment"]] = environment
    if folder != "/app":
        proposal.settings[INPUT_OF["WORKDIR of the workspace"]] = folder
    if "include" not in proposal.settings and any(path.startswith("src/") for path in files):
        proposal.settings["include"] = "none"


def _environment_and_folder(stages: Sequence[DockerfileStage]) -> tuple[str, str]:
    """Return the environment that is installed, and the workspace's folder in the image."""
    names: list[str] = []
    folders: list[str] = []
    for stage in stages:
        current = "/"
        for each in stage.instructions:
            if each.keyword == "WORKDIR":
                current = posixpath.normpath(posixpath.join(current, each.rest.strip("\"'")))
            commands = read_commands(each.rest) if each.keyword == "RUN" else None
            if commands and commands.runs_pixi and current != "/":
                folders.append(current)
            names += commands.environments if commands else ()
            for prefix in _PREFIX.finditer(each.source):
                names.append(prefix["name"])
                folders += [prefix["folder"]] if prefix["folder"] else []
    return next(iter(names), "default"), next(iter(folders), "/app")

"""A user-supplied Dockerfile: its text, its stages, and whether it builds on the environment's image.

It does so if it declares the argument ``ENVIRONMENT_IMAGE``, or has ``environment`` as the base of a stage, or as
the source of a COPY or mount, without a stage of that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image.base_images import OLDEST_PIXI
from pixi_container.image.stages import instruction_lines
from pixi_container.paths import read_own_file
from pixi_container.shortening import listed, shortened
from pixi_container.suggestions import did_you_mean
from pixi_container.versions import version_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixi_container.inputs import Inputs

ENVIRONMENT_NAME = "environment"
"""The name by which a Dockerfile can refer to the environment's image: BuildKit's named context."""

ENVIRONMENT_ARGUMENT = "ENVIRONMENT_IMAGE"
"""The build argument with the environment's image."""

_FLAG = re.compile(r"--([a-z]+)(?:=(\S*))?")


@dataclass(frozen=True, kw_only=True)
class OwnDockerfile:
    """What a Dockerfile says of itself; names of stages are in lower case, as BuildKit compares them."""

    text: str
    stages: tuple[str, ...] = ()
    builds_on_environment: bool = False


def read_own_dockerfile(inputs: Inputs) -> OwnDockerfile | None:
    """Return the Dockerfile that the inputs name, None without one.

    Raises ``UserError`` if it is missing or empty, lacks a stage that an input names, or does not use what another
    input shapes.
    """
    if not inputs.dockerfile:
        return None
    dockerfile = own_dockerfile(read_own_file(Path(inputs.context), inputs.dockerfile, "dockerfile"), inputs)
    file = str(Path(inputs.context) / inputs.dockerfile)
    for name, stage in (("target", inputs.target), *(("test-target", stage) for stage in inputs.test_target)):
        # BuildKit also takes the number of a stage.
        if stage and not stage.isdigit() and stage.lower() not in dockerfile.stages:
            raise UserError(
                f"input '{name}': the Dockerfile has no stage '{shortened(stage)}'"
                f"{did_you_mean(stage, dockerfile.stages)}",
                hint=f"Stages with a name: {listed(dockerfile.stages)}.",
                file=file,
            )
    if dockerfile.builds_on_environment and _names_environment(inputs):
        raise UserError(
            f"input 'build-contexts': '{ENVIRONMENT_NAME}' is the environment's image, which the Dockerfile asks "
            f"for with 'ARG {ENVIRONMENT_ARGUMENT}'",
            hint="Give the build context another name.",
            file=file,
        )
    if not dockerfile.builds_on_environment and (unused := _only_for_the_environment(inputs)):
        raise UserError(
            f"input '{unused}' has no effect together with a 'dockerfile' that does not build on the environment",
            hint=f"Your own Dockerfile is built as is. Remove the input, or start a stage with "
            f"'FROM {ENVIRONMENT_NAME}' (docs/template.md).",
            file=file,
        )
    return dockerfile


def own_dockerfile(text: str, inputs: Inputs) -> OwnDockerfile:
    """Return what a Dockerfile says; what the user passes under the environment's names is not the environment."""
    given = {key for key, _ in inputs.build_args}
    instructions = [tuple(instruction.split()) for instruction in instruction_lines(text)]
    stages = tuple(name for words in instructions if (name := _stage_name(words)))
    declares = ENVIRONMENT_ARGUMENT not in given and any(
        words[0].upper() == "ARG" and ENVIRONMENT_ARGUMENT in {word.partition("=")[0] for word in words[1:]}
        for words in instructions
    )
    is_free = ENVIRONMENT_NAME not in stages and not _names_environment(inputs)
    names = (name.lower().removesuffix(":latest") for words in instructions for name in _sources(words))
    return OwnDockerfile(
        text=text,
        stages=stages,
        builds_on_environment=declares or (is_free and ENVIRONMENT_NAME in names),
    )


def check_pixi_version(version: str) -> None:
    """Raise ``UserError`` if Pixi is too old to install the environment that a Dockerfile builds on."""
    if version_order(version) < version_order(OLDEST_PIXI):
        raise UserError(
            f"pixi {version} is too old for the environment that your Dockerfile builds on: {OLDEST_PIXI} is the "
            "oldest supported version",
            hint=f"Set 'pixi-version' to {OLDEST_PIXI} or newer.",
        )


def _names_environment(inputs: Inputs) -> bool:
    return any(context.name.lower() == ENVIRONMENT_NAME for context in inputs.build_contexts)


def _only_for_the_environment(inputs: Inputs) -> str:
    """Return an input that is set and shapes nothing but the environment's image; empty without one."""
    default = type(inputs)()
    shaping = {
        "runtime-image": inputs.runtime_image != default.runtime_image,
        "apt-packages": inputs.apt_packages != default.apt_packages,
        "base-instructions": inputs.base_instructions != default.base_instructions,
        "workdir": inputs.workdir != default.workdir,
        "layers": inputs.layers != default.layers,
    }
    return next((name for name, is_set in shaping.items() if is_set), "")


def _stage_name(words: tuple[str, ...]) -> str:
    """Return the name of the stage that a FROM begins, else nothing."""
    is_named = words[0].upper() == "FROM" and len(words) > 3 and words[-2].upper() == "AS"
    return words[-1].lower() if is_named else ""


def _sources(words: tuple[str, ...]) -> Iterator[str]:
    """Yield the images, stages and contexts that an instruction takes something from."""
    keyword = words[0].upper()
    for word in words[1:]:
        flag = _FLAG.fullmatch(word)
        if not flag:
            if keyword == "FROM":
                yield word
            return
        if keyword == "COPY" and flag[1] == "from":
            yield flag[2] or ""
        elif keyword == "RUN" and flag[1] == "mount":
            options = (option.partition("=")[::2] for option in (flag[2] or "").split(","))
            yield from (value for name, value in options if name == "from")

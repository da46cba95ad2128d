"""Rules between inputs: which of them need each other, exclude each other, or must not name the same twice.

Each function gets the texts of all inputs by name, and raises ``UserError`` where a rule is broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixi_container.build_inputs import build_contexts, build_secrets, secret_files
from pixi_container.errors import UserError
from pixi_container.input_values import environment_names

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPING = (
    *("template", "include", "working-directory", "env", "user", "expose", "command", "entrypoint", "healthcheck"),
    *("volumes", "stop-signal", "instructions"),
)
"""What shapes a rendered Dockerfile alone."""

_FOR_OWN_INSTRUCTIONS = ("build-args", "build-contexts", "secrets", "secret-files", "ssh")


def check_rules(text: Mapping[str, str]) -> None:
    """Check every rule; ``text`` has each input, with its default where it is not given."""
    if text["dockerfile"]:
        _check_own_dockerfile(text)
    else:
        _check_that_something_uses(text, ("target", "test-target"), ("dockerfile",))
        _check_that_something_uses(text, _FOR_OWN_INSTRUCTIONS, ("dockerfile", "template"))
    if text["template"]:
        _check_template(text)
    _check_environments(text)
    _check_nodes(text)
    _check_refresh(text)
    _check_secrets(text)


def _check_own_dockerfile(text: Mapping[str, str]) -> None:
    if without_effect := next((name for name in _SHAPING if text[name]), ""):
        raise UserError(
            f"input '{without_effect}' has no effect together with 'dockerfile'",
            hint="Your own Dockerfile is built as is. Remove one of the two inputs.",
        )


def _check_that_something_uses(text: Mapping[str, str], names: tuple[str, ...], users: tuple[str, ...]) -> None:
    """Check that one of the inputs ``users`` is set if one of ``names`` is."""
    unused = next((name for name in names if text[name]), "")
    if unused and not any(text[user] for user in users):
        needs = " or ".join(f"'{user}'" for user in users)
        raise UserError(
            f"input '{unused}' has no effect without {needs}",
            hint=f"Remove it, or set {needs}: the instructions of the action's own Dockerfile do not use it.",
        )


def _check_template(text: Mapping[str, str]) -> None:
    """Check that the template leaves nothing out that another input adds, and has its stage for itself."""
    if any(context.name.lower() == "environment" for context in build_contexts(text["build-contexts"])):
        raise UserError(
            "input 'build-contexts': 'environment' is a stage of the template",
            hint="Give the build context another name.",
        )
    for name in ("apt-packages", "base-instructions"):
        if text[name]:
            raise UserError(
                f"input '{name}' has no effect together with 'template'",
                hint="Put the instructions into the template. Remove one of the two inputs.",
            )


def _check_environments(text: Mapping[str, str]) -> None:
    if text["environments"] and text["environment"] != "default":
        raise UserError(
            "input 'environment' has no effect together with 'environments'",
            hint="'environment' names what is in one image, 'environments' chooses images. Remove one of them.",
        )
    several = len(environment_names(text["environment"])) > 1
    if alone := next((name for name in ("dockerfile", "template") if several and text[name]), ""):
        raise UserError(
            f"input 'environment' has several environments, which '{alone}' does not install",
            hint=f"Name one environment, or remove '{alone}'.",
        )


def _check_nodes(text: Mapping[str, str]) -> None:
    for name, default in (("builder", "auto"), ("emulation", "false")):
        if text["nodes"] and text[name] != default:
            raise UserError(
                f"input '{name}' has no effect together with 'nodes'",
                hint="The builder is made of the nodes, each of which runs its own platforms. Remove one of the "
                "two inputs.",
            )


def _check_refresh(text: Mapping[str, str]) -> None:
    if text["refresh"] == "true" and not text["apt-packages"] and not text["base-instructions"]:
        raise UserError(
            "input 'refresh' has no effect without 'apt-packages' or 'base-instructions'",
            hint="It builds anew what these add to the runtime image. Remove it, or set one of them.",
        )


def _check_secrets(text: Mapping[str, str]) -> None:
    values, files = dict(build_secrets(text["secrets"])), dict(secret_files(text["secret-files"]))
    named = {name for name in ("conda-auth", "git-auth") if text[name]}
    if twice := (values.keys() & files.keys()) | (named & (values.keys() | files.keys())):
        raise UserError(
            f"the secret '{min(twice)}' is set by two inputs",
            hint="Of 'secrets', 'secret-files', 'conda-auth' and 'git-auth', only one can set a secret.",
        )

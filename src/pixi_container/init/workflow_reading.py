"""Take over from a workflow what it says of an image: names, tags, labels, credentials, and platforms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError
from pixi_container.init.verdicts import Part, refusal
from pixi_container.input_values import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pixi_container.init.verdicts import Proposal

_IMAGES = ("images", "tags", "flavor", "labels", "annotations")
_EXPRESSION = re.compile(r"\$\{\{")
_OWN_NAME = re.compile(
    r"ghcr\.io/\$\{\{\s*github\.repository\s*\}\}"
    r"|\$\{\{\s*env\.REGISTRY\s*\}\}/\$\{\{\s*(?:env\.IMAGE_NAME|github\.repository)\s*\}\}"
)
_OTHER_CONTEXT = re.compile(r"\$\{\{(?!\s*(?:secrets|vars|github)\.[A-Za-z_][A-Za-z0-9_.-]*\s*\}\})")
_OWN_TOKEN = re.compile(r"\$\{\{\s*(?:secrets\.GITHUB_TOKEN|github\.token)\s*\}\}")
_BUILD_INPUTS = {
    "push": "the action pushes on events that may push",
    "load": "the action tests the image before it pushes it",
    "cache-from": "the registry's images are the cache",
    "cache-to": "the registry's images are the cache",
    "builder": "the action selects the current builder",
}
_ACTIONS = {
    "docker/setup-qemu-action": "the environment's image needs no emulation",
    "docker/setup-buildx-action": "the action uses the builder that is there; keep it for large environments",
    "prefix-dev/setup-pixi": "the action needs no Pixi on the runner",
}


@dataclass(frozen=True)
class ActionStep:
    """A step that uses an action: the action's name without its version, and its inputs as texts."""

    action: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Workflow:
    """A workflow file: the branches whose pushes start it, and its steps that use actions."""

    file: str
    branches: tuple[str, ...]
    steps: tuple[ActionStep, ...]

    @property
    def builds_images(self) -> bool:
        """Whether a step builds an image with Docker's action."""
        return any(step.action == "docker/build-push-action" for step in self.steps)

    @property
    def dockerfiles(self) -> tuple[str, ...]:
        """The Dockerfiles that it builds, relative to the repository."""
        builds = [step.inputs for step in self.steps if step.action == "docker/build-push-action"]
        files = (given.get("file") or f"{given.get('context') or '.'}/Dockerfile" for given in builds)
        return tuple(dict.fromkeys(file.removeprefix("./") for file in files))


def read_workflow(text: str, file: str) -> Workflow:
    """Return the workflow. Raises ``UserError`` for text that is not YAML."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            "the workflow is not valid YAML", file=file, line=mark.line + 1 if mark else None
        ) from error
    jobs = _table(_table(document).get("jobs"))
    # YAML 1.1 reads the key `on` as true.
    events = _table(_table(document).get("on", _table(document).get(True)))
    branches = _table(events.get("push")).get("branches")
    steps = [
        ActionStep(
            step["uses"].partition("@")[0],
            {str(name): _text(value) for name, value in _table(step.get("with")).items()},
        )
        for job in jobs.values()
        for step in _list(_table(job).get("steps"))
        if isinstance(step, dict) and isinstance(step.get("uses"), str)
    ]
    return Workflow(file, tuple(name for name in _list(branches) if isinstance(name, str)), tuple(steps))


def take_workflow(workflow: Workflow, proposal: Proposal) -> None:
    """Add to the proposal what a workflow that builds images says of them."""
    for step in workflow.steps:
        part = Part(workflow.file, 0, step.action)
        if step.action == "docker/metadata-action":
            _take_metadata(workflow.file, step, proposal)
        elif step.action == "docker/login-action":
            _take_login(workflow.file, step, proposal)
        elif step.action == "docker/build-push-action":
            _take_build(workflow.file, step, proposal)
        elif step.action in _ACTIONS:
            part.needless(proposal, _ACTIONS[step.action])
        elif step.action != "actions/checkout":
            part.left(proposal, "the new workflow has no such step")


def _take_metadata(file: str, step: ActionStep, proposal: Proposal) -> None:
    for name, text in step.inputs.items():
        part = Part(file, 0, f"{step.action}: {name}: {text}")
        if name not in _IMAGES:
            part.left(proposal, "the action has no such input")
        elif name == "images" and _OWN_NAME.fullmatch(text.strip()):
            part.needless(proposal, "it is the default")
        else:
            _take_lines(part, name, text, proposal)


def _take_lines(part: Part, name: str, text: str, proposal: Proposal) -> None:
    """Take lines into the settings, or into the workflow if a line has an expression of GitHub's."""
    lines = list(lines_of(text))
    if not _EXPRESSION.search(text):
        part.taken(proposal, name, lines)
    elif _OTHER_CONTEXT.search(text):
        part.left(proposal, "it has an expression that depends on the workflow; set the input yourself")
    else:
        part.given(proposal, name, "\n".join(lines))


def _take_login(file: str, step: ActionStep, proposal: Proposal) -> None:
    registry = step.inputs.get("registry", "docker.io")
    username, password = step.inputs.get("username", ""), step.inputs.get("password", "")
    part = Part(file, 0, f"{step.action}: {registry}")
    if registry == "ghcr.io" and _OWN_TOKEN.fullmatch(password.strip()):
        part.needless(proposal, "the action logs in to ghcr.io with the job's token")
    elif not _EXPRESSION.search(password) or _OTHER_CONTEXT.search(f"{registry}{username}{password}"):
        part.left(proposal, "set 'registry-auth' to the registry, the user's name and a secret")
    elif (
        _EXPRESSION.search(registry)
        or not all((registry, username))
        or "," in username
        or "\n" in username + password
    ):
        part.left(proposal, "the step has no plain registry and user name; set 'registry-auth'")
    else:
        part.given(proposal, "registry-auth", f"registry={registry},username={username},password={password}")


def _take_build(file: str, step: ActionStep, proposal: Proposal) -> None:
    for name, text in step.inputs.items():
        part = Part(file, 0, f"{step.action}: {name}: {text}")
        if name in {"context", "file"}:
            part.needless(proposal, "the action writes the Dockerfile from the manifest")
        elif name in {"tags", "labels", "annotations"} and ".outputs." in text:
            part.needless(proposal, "the action computes them")
        elif name == "tags":
            _take_references(part, text, proposal)
        elif name in {"labels", "annotations"}:
            _take_lines(part, name, text, proposal)
        elif name == "platforms" and not refusal(name, lines := re.split(r"[\s,]+", text.strip())):
            part.taken(proposal, name, lines)
        elif name in _BUILD_INPUTS:
            part.needless(proposal, _BUILD_INPUTS[name])
        elif name == "platforms":
            part.left(proposal, "each run builds for the platform of its machine")
        else:
            part.left(proposal, "it is for a Dockerfile of your own")


def _take_references(part: Part, text: str, proposal: Proposal) -> None:
    """Take image names with tags apart into names and tag rules."""
    references = [
        line for line in re.split(r"[\s,]+", re.sub(r"\$\{\{\s*(\S+?)\s*\}\}", r"${{\1}}", text)) if line
    ]
    names, tags = [], []
    for reference in references:
        name, colon, tag = reference.rpartition(":")
        if not colon or "/" in tag:
            name, tag = reference, "latest"
        names.append(name)
        tags.append("type=sha,format=long,prefix=" if tag == "${{github.sha}}" else tag)
    if _OTHER_CONTEXT.search(text) or any(_EXPRESSION.search(tag) for tag in tags):
        part.left(proposal, "a tag depends on the workflow; write it as a tag rule, see docs/tags.md")
        return
    if not all(_OWN_NAME.fullmatch(name.replace("{{", "{{ ").replace("}}", " }}")) for name in names):
        _take_lines(part, "images", "\n".join(dict.fromkeys(names)), proposal)
    part.taken(proposal, "tags", list(dict.fromkeys(tags)))


def workflows_of_images(workflows: Mapping[str, str]) -> Iterator[Workflow | UserError]:
    """Yield the workflows that build images, and an error for each file that cannot be read."""
    for file, text in workflows.items():
        try:
            workflow = read_workflow(text, file)
        except UserError as error:
            yield error
            continue
        if workflow.builds_images:
            yield workflow


def _table(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    """Return a scalar as text, and nothing for a list or table, which could stand for very many by aliases."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float)) else ""

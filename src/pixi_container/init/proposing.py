"""From what a repository has to the files that are written, and the lines that say why."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.init.dockerfile_taking import take_dockerfile
from pixi_container.init.manifest_text import with_settings
from pixi_container.init.repository import dockerfile_of
from pixi_container.init.verdicts import LEFT, Proposal, differing
from pixi_container.init.workflow_reading import take_workflow, workflows_of_images
from pixi_container.init.workflow_text import WORKFLOW, workflow_text
from pixi_container.input_values import environment_names
from pixi_container.workspace.lock_commands import lock_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pixi_container.init.repository import RepositorySurvey


@dataclass(frozen=True)
class Initial:
    """The files to write, by their paths in the repository, and what to say about them, line by line."""

    files: Mapping[str, str]
    lines: tuple[str, ...]


def propose(repository: RepositorySurvey, environment: str = "", dockerfile: str = "") -> Initial:
    """Return what ``init`` writes and says; empty texts leave the choice to what the repository has.

    Raises ``UserError`` if the repository leaves a choice open.
    """
    proposal = Proposal()
    read = list(workflows_of_images(repository.workflows))
    workflows = [each for each in read if not isinstance(each, UserError)]
    built = tuple(file for workflow in workflows for file in workflow.dockerfiles)
    file = dockerfile_of(repository, dockerfile, built)
    if file:
        take_dockerfile(repository.dockerfiles[file], file, repository.files, repository.tasks, proposal)
    taken = [workflow for workflow in workflows if file in workflow.dockerfiles or not file]
    for workflow in taken:
        take_workflow(workflow, proposal)
    chosen = _environment(repository, proposal, environment)
    branches = next((workflow.branches for workflow in taken if workflow.branches), (repository.branch,))
    inputs = {"context": repository.context} if repository.context != "." else {}
    others = [name for name in repository.locked if name not in environment_names(chosen)]
    files = {WORKFLOW: workflow_text({**inputs, **proposal.inputs}, branches, others)}
    if settings := differing(proposal.settings):
        place = repository.manifest_place
        files[place] = with_settings(repository.manifest_text, place, settings)
    return Initial(files, tuple(_lines(repository, proposal, read, [work.file for work in taken])))


def _environment(repository: RepositorySurvey, proposal: Proposal, asked: str) -> str:
    """Return the environment to ship, after it was added to the settings."""
    if asked:
        proposal.settings["environment"] = asked
    chosen = str(proposal.settings.get("environment", "default"))
    if "environment" not in proposal.settings and repository.locked and chosen not in repository.locked:
        chosen = proposal.settings["environment"] = repository.locked[0]
    return chosen


def _lines(
    repository: RepositorySurvey, proposal: Proposal, read: Sequence[object], taken: list[str]
) -> list[str]:
    lines = [str(verdict) for verdict in proposal.verdicts]
    lines += [
        f"{error.file}: {error.message}; it is left as it is" for error in read if isinstance(error, UserError)
    ]
    if left := sum(verdict.outcome == LEFT for verdict in proposal.verdicts):
        lines.append(f"{left} of {len(proposal.verdicts)} lines are not taken over; see above.")
    lines += [f"Remove {file} once the new workflow has run: both would push." for file in taken]
    if repository.lock_problem:
        lines.append(f"The lock: {repository.lock_problem}")
    return lines


def conflicts(initial: Initial, repository: RepositorySurvey, present: frozenset[str]) -> tuple[str, ...]:
    """Return what would be overwritten: files that are ``present``, and the manifest's settings."""
    files = [file for file in initial.files if file in present and file != repository.manifest_place]
    settings = repository.has_settings and repository.manifest_place in initial.files
    return (*files, *([f"[tool.pixi-container] in {repository.manifest_place}"] if settings else []))


def difference(initial: Initial, before: Mapping[str, str]) -> str:
    """Return what would be written as a unified diff."""
    parts: list[str] = []
    for file, text in initial.files.items():
        old = before.get(file, "")
        parts += unified_diff(
            old.splitlines(keepends=True),
            text.splitlines(keepends=True),
            f"a/{file}" if old else "/dev/null",
            f"b/{file}",
        )
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def offer_to_lock(repository: RepositorySurvey, context: Path, *, has_pixi: bool) -> str:
    """Return how the lock can be written; empty if nothing is wrong with it."""
    if not repository.lock_problem:
        return ""
    command = lock_command(context)
    return f"`pixi-container init --lock` runs `{command}`." if has_pixi else f"Install Pixi, and run `{command}`."

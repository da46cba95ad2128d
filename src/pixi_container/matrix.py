"""The jobs of a workflow that build images: for each environment and platform that has something to build."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.display import json_text, markdown_code, markdown_text
from pixi_container.errors import UserError
from pixi_container.plan.decision import BUILD
from pixi_container.plan.looked_up import LookedUp
from pixi_container.plan.several import plan_images
from pixi_container.request import registry_client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.log import Log
    from pixi_container.plan.decision import Decision
    from pixi_container.plan.several import Planned
    from pixi_container.request import Request
    from pixi_container.runners import Label, Runners

MOST_JOBS = 256
"""The most jobs of a matrix: https://docs.github.com/actions/reference/limits"""

MATRIX_OUTPUTS = {
    "matrix": "The jobs as JSON, for `strategy.matrix` by `fromJSON`: each has `context`, `manifest-path`, "
    "`environment`, `flavor`, `platform`, `runner` and `name`.",
    "jobs": "Number of jobs; `0` if nothing has to be built.",
}
"""Every output of the command ``matrix`` and its meaning."""


@dataclass(frozen=True, kw_only=True)
class ImageDecision:
    """What is decided for an image of a platform; ``name`` is what its environment is shown as.

    ``flavor`` is that of its tags, from which its label of the version comes.
    """

    name: str
    context: str
    manifest_path: str
    environment: str
    flavor: str
    platform: str
    runner: Label
    decision: Decision

    def job(self) -> dict[str, Any]:
        """Return the values of the job that builds it."""
        return {
            "context": self.context,
            "manifest-path": self.manifest_path,
            "environment": self.environment,
            "flavor": self.flavor,
            "platform": self.platform,
            "runner": self.runner,
            "name": f"{self.name}, {self.platform}",
        }


@dataclass(frozen=True)
class Matrix:
    """What is decided for each image, those of one environment together."""

    decisions: tuple[ImageDecision, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the matrix: a job for each image that is to be built.

        Raises ``UserError`` for more jobs than a matrix can have.
        """
        jobs = [each.job() for each in self.decisions if each.decision.kind == BUILD]
        if len(jobs) > MOST_JOBS:
            raise UserError(
                f"{len(jobs)} images have to be built, and a matrix has at most {MOST_JOBS} jobs",
                hint="Divide the environments among several workflow runs by 'environments', or make those that "
                "come straight from the lock in one step: the action itself takes 'environments' and 'platforms'.",
            )
        return {"include": jobs}

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name."""
        matrix = self.as_json()
        return {"matrix": json.dumps(matrix), "jobs": str(len(matrix["include"]))}

    def text(self) -> str:
        """Return what is decided for a terminal, a line for each image."""
        return "\n".join(
            f"{each.name}, {each.platform}: {each.decision.kind}: {each.decision.reason}"
            for each in self.decisions
        )

    def summary(self) -> str:
        """Return the job summary in GitHub's Markdown: a table of all images."""
        count = len(self.as_json()["include"])
        lines = [f"### {count} of {len(self.decisions)} container images have to be built", ""]
        lines += ["| environment | platform | decision | runner |", "|---|---|---|---|"]
        for each in self.decisions:
            decision = markdown_text(f"{each.decision.kind}: {each.decision.reason}")
            runner = each.runner if isinstance(each.runner, str) else json_text(each.runner)
            cells = [markdown_code(each.name), markdown_code(each.platform), decision, markdown_code(runner)]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"


def plan_matrix(
    requests: Mapping[str, Request], runners: Runners, log: Log
) -> tuple[Matrix, Mapping[str, UserError]]:
    """Return what is decided for the images of each request, and the errors of requests that cannot be planned."""
    some = next(iter(requests.values()))
    with registry_client(some) as registry, log.step("Plan"):
        planned, failed = plan_images(requests, registry, LookedUp(some.env, runners), log)
    return Matrix(decisions_of(requests, planned, runners)), failed


def decisions_of(
    requests: Mapping[str, Request], planned: Mapping[str, Planned], runners: Runners
) -> tuple[ImageDecision, ...]:
    """Return what the plans decide for each image."""
    return tuple(
        ImageDecision(
            name=name,
            context=requests[name].inputs.context,
            manifest_path=requests[name].inputs.manifest_path,
            environment=" ".join(requests[name].inputs.environments),
            flavor=requests[name].inputs.flavor,
            platform=each.plan.platform,
            runner=runners.label(each.plan.platform),
            decision=each.plan.decision,
        )
        for name, images in planned.items()
        for each in images.platforms
    )

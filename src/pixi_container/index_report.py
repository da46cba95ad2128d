"""The result of a run for several platforms: the outputs, the job summary and the closing lines on a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.display import markdown_code, markdown_text
from pixi_container.report import image_json, pull_commands

if TYPE_CHECKING:
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.report import Report


@dataclass(frozen=True, kw_only=True)
class IndexReport:
    """The result of a plan for several platforms, with a report for each of their images.

    ``digest`` is that of the index on the registry, and ``sif`` the reference of its SIF; empty without one.
    """

    plan: IndexPlan
    reports: tuple[Report, ...]
    digest: str = ""
    sif: str = ""

    @property
    def image(self) -> str:
        """The index by digest, under its first name."""
        return f"{self.plan.published_tags[0].name}@{self.digest}" if self.digest else ""

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name: what the platforms have in common, and of the rest that of the first."""
        plan = self.plan
        return {
            **self.reports[0].outputs(),
            "decision": plan.decision.kind,
            "reason": plan.decision.reason,
            "pushed": "true" if self.digest else "false",
            "digest": self.digest,
            "image": self.image,
            "images": json.dumps([self._as_json()]),
            "sif": self.sif,
            "metadata": json.dumps(plan.as_json(), sort_keys=True),
        }

    def _as_json(self) -> dict[str, Any]:
        platforms = {
            report.plan.platform: report.digest or next((each.digest for each in report.plan.decision.images), "")
            for report in self.reports
        }
        return image_json(self.plan.first, self.plan.decision, self.image, platforms)

    def text(self) -> str:
        """Return the result for a terminal."""
        lines = [f"decision  {self.plan.decision.kind}: {self.plan.decision.reason}"]
        lines += [f"tag       {tag}" + ("" if self.digest else " (not pushed)") for tag in self.plan.tags]
        if self.digest:
            lines += [f"digest    {self.digest}", f"image     {self.image}"]
        for report in self.reports:
            lines += ["", f"{report.plan.platform}:"]
            lines += [f"  {line}" for line in report.text().splitlines() if not line.startswith("tag ")]
        return "\n".join(lines)

    def summary(self) -> str:
        """Return the job summary in GitHub's Markdown."""
        plan = self.plan
        rows = [
            ("Decision", markdown_text(f"{plan.decision.kind}: {plan.decision.reason}")),
            (
                "Tags" if self.digest else "Tags (not pushed)",
                "<br>".join(markdown_code(tag) for tag in plan.tags) or "none",
            ),
            ("Digest", markdown_code(self.digest) if self.digest else "not pushed"),
        ]
        environment = markdown_code(plan.first.definition.workspace.environment)
        lines = [
            f"### Container image of {environment} for {len(self.reports)} platforms",
            "",
            "| | |",
            "|---|---|",
        ]
        lines += [f"| {name} | {value} |" for name, value in rows]
        if self.digest:
            lines += pull_commands(self.image, self.sif)
        for report in self.reports:
            title = markdown_text(report.plan.platform)
            lines += ["", f"<details><summary>{title}</summary>", "", report.summary().rstrip(), "", "</details>"]
        return "\n".join(lines) + "\n"

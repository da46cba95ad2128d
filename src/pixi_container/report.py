"""What happened: the outputs, the job summary and the closing lines on a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.image_reference import parse_reference

if TYPE_CHECKING:
    from pixi_container.plan import Plan

OUTPUTS = {
    "decision": "What was done: `build`.",
    "reason": "Why, in one sentence.",
    "pushed": "`true` when the image is on the registry, else `false`.",
    "version": "The version that the tags are made of.",
    "tags": "Full image names with tags, one per line. On a pull request they are computed, not pushed.",
    "labels": "Labels of the image, `key=value` per line.",
    "annotations": "Annotations, `level:key=value` per line.",
    "json": "Tags, labels and annotations as JSON, in the form of docker/metadata-action.",
    "digest": "Digest of the pushed image, else empty.",
    "image": "`name@digest` of the pushed image, else empty.",
    "fingerprint": "Fingerprint of the environment: equal where its image would be equal.",
    "dockerfile": "Text of the rendered Dockerfile.",
    "metadata": "The whole plan as JSON.",
}
"""Every output and its meaning; action.yml follows it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A plan that was carried out. ``digest`` is empty when nothing was pushed; sizes are bytes."""

    plan: Plan
    digest: str = ""
    layer_sizes: tuple[int, ...] = ()
    image_size: int = 0

    @property
    def image(self) -> str:
        """The pushed image by digest, under its first name."""
        return (
            str(parse_reference(self.plan.tags[0], source="tag").tagged("").pinned(self.digest))
            if self.digest
            else ""
        )

    def outputs(self) -> dict[str, str]:
        """Give the outputs by name."""
        plan = self.plan
        return {
            "decision": plan.decision,
            "reason": plan.reason,
            "pushed": "true" if self.digest else "false",
            "version": plan.version,
            "tags": "\n".join(plan.tags),
            "labels": "\n".join(f"{key}={value}" for key, value in plan.labels),
            "annotations": "\n".join(plan.annotations),
            "json": plan.json,
            "digest": self.digest,
            "image": self.image,
            "fingerprint": plan.fingerprint,
            "dockerfile": plan.dockerfile,
            "metadata": json.dumps({k: v for k, v in plan.as_json().items() if k != "workspace"}, sort_keys=True),
        }

    def text(self) -> str:
        """Give the result for a terminal."""
        lines = [f"decision  {self.plan.decision}: {self.plan.reason}"]
        lines += [f"tag       {tag}" + ("" if self.digest else " (not pushed)") for tag in self.plan.tags]
        if self.digest:
            lines += [f"digest    {self.digest}", f"image     {self.image}"]
        lines.append(f"size      {self._size()}")
        if self.plan.keep_local_image:
            lines.append(f"run it    docker run --rm -it {next(iter(self.plan.tags), self.plan.local_image)}")
        return "\n".join(lines)

    def summary(self) -> str:
        """Give the job summary in GitHub's Markdown."""
        plan = self.plan
        rows = [
            ("Decision", f"{plan.decision}: {plan.reason}"),
            (
                "Environment",
                f"`{plan.environment}` on `{plan.platform}`, {plan.conda_packages + plan.pypi_packages} packages",
            ),
            ("Built with", f"pixi {plan.pixi_version}" + (f", CUDA {plan.cuda}" if plan.cuda else "")),
            (
                "Tags" if self.digest else "Tags (not pushed)",
                "<br>".join(f"`{tag}`" for tag in plan.tags) or "none",
            ),
            ("Digest", f"`{self.digest}`" if self.digest else "not pushed"),
            ("Size", self._size()),
        ]
        lines = [f"### Container image of `{plan.environment}`", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in rows]
        if self.digest:
            lines += [
                "",
                "```sh",
                f"docker pull {self.image}",
                f"apptainer pull docker://{self.image}",
                "```",
                "",
                "HTCondor:",
                "",
                "```ini",
                "universe = container",
                f"container_image = docker://{self.image}",
                "```",
            ]
        lines += [
            "",
            "<details><summary>Dockerfile</summary>",
            "",
            "```dockerfile",
            plan.dockerfile.rstrip(),
            "```",
            "</details>",
        ]
        return "\n".join(lines) + "\n"

    def _size(self) -> str:
        if self.layer_sizes:
            return f"{sum(self.layer_sizes) / 1e6:.1f} MB compressed in {len(self.layer_sizes)} layers"
        return f"{self.image_size / 1e6:.1f} MB in the engine" if self.image_size else "unknown"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

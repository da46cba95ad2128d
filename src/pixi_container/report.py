"""The result of a run: the outputs, the job summary and the closing lines on a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixi_container.display import markdown_block, markdown_code, markdown_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.plan.decision import Decision
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import PublishedImage

OUTPUTS = {
    "decision": "What the run did: `skip`, `promote` or `build`.",
    "reason": "Why it did that, in one sentence.",
    "changed": "`false` if no relevant file changed; `true` if one changed or may have changed.",
    "changed-files": "Relevant changed files, relative to `context`, as a JSON list.",
    "base": "Commit that `head` was compared with; empty if the event compares nothing.",
    "head": "Commit that was compared with `base`.",
    "changes-source": "Source of the changes: `git`, `github` or `none`.",
    "pushed": "`true` if the image is on the registry under its tags, else `false`.",
    "version": "Version of the image: the name of its first tag.",
    "tags": "Full image names with tags, one per line. On a pull request, they are computed but not pushed.",
    "labels": "Labels of the image, one `key=value` per line; those of the existing image if nothing was built.",
    "annotations": "Annotations, one `level:key=value` per line.",
    "json": "Tags, labels and annotations as JSON, in docker/metadata-action's format.",
    "digest": "Digest of the image on the registry, else empty.",
    "image": "`name@digest` of the image on the registry, else empty.",
    "images": "Each image as JSON: environment, decision, reason, image, tags, and digest by platform.",
    "sif": "`oras://name:tag` of the SIF on the registry, else empty.",
    "environment-image": "The environment's own image, which later builds reuse, else empty.",
    "fingerprint": "Hash of everything that determines the environment image.",
    "image-fingerprint": "Hash of everything that determines the image's content.",
    "dockerfile": "Text of the rendered Dockerfile.",
    "metadata": "The whole plan as JSON.",
}
"""Every output and its meaning; action.yml follows it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a plan.

    ``published`` is the image on the registry, None if nothing was pushed or tagged. ``labels`` are those of an
    existing image, ``base_packages`` are names and versions of the packages that the base was asked for; those of
    an existing base are in the plan. ``image_size`` is in bytes, and ``notes`` are messages from the build.
    ``sif`` is where Apptainer pulls the SIF from.
    """

    plan: Plan
    published: PublishedImage | None = None
    labels: Mapping[str, str] | None = None
    image_size: int = 0
    notes: tuple[str, ...] = ()
    base_packages: tuple[tuple[str, str], ...] = ()
    sif: str = ""

    @property
    def digest(self) -> str:
        """The digest on the registry."""
        return self.published.digest if self.published else ""

    @property
    def image(self) -> str:
        """The image by digest, under its first name."""
        if not self.published:
            return ""
        return f"{self.plan.published_tags[0].name}@{self.digest}"

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name."""
        plan, changes, definition = self.plan, self.plan.changes, self.plan.definition
        labels = tuple(sorted(self.labels.items())) if self.labels is not None else plan.labels
        return {
            "decision": plan.decision.kind,
            "reason": plan.decision.reason,
            "changed": "false" if changes.known and not changes.relevant else "true",
            "changed-files": json.dumps(changes.relevant),
            "base": changes.base,
            "head": changes.head,
            "changes-source": changes.source,
            "pushed": "true" if self.published else "false",
            "version": definition.metadata.version,
            "tags": "\n".join(plan.tags),
            "labels": "\n".join(f"{key}={value}" for key, value in labels),
            "annotations": "\n".join(plan.annotations),
            "json": plan.metadata_json(),
            "digest": self.digest,
            "image": self.image,
            "images": json.dumps([image_json(plan, plan.decision, self.image, {plan.platform: self.digest})]),
            "sif": self.sif,
            "environment-image": str(plan.environment_image or ""),
            "fingerprint": definition.environment_fingerprint.short,
            "image-fingerprint": definition.fingerprint.short,
            "dockerfile": definition.dockerfile,
            "metadata": json.dumps(self._metadata(), sort_keys=True),
        }

    @property
    def _installed(self) -> tuple[tuple[str, str], ...]:
        """Names and versions of the packages that the base was asked for, built now or before."""
        return self.base_packages or (self.plan.base.packages if self.plan.base else ())

    def _metadata(self) -> dict[str, Any]:
        values = {name: value for name, value in self.plan.as_json().items() if name != "workspace"}
        if self.plan.base:
            values["base"] = {**self.plan.base.as_json(), "apt_packages": dict(self._installed)}
        return values

    def text(self) -> str:
        """Return the result for a terminal."""
        lines = [f"decision  {self.plan.decision.kind}: {self.plan.decision.reason}"]
        lines += [f"tag       {tag}" + ("" if self.digest else " (not pushed)") for tag in self.plan.tags]
        if self.digest:
            lines += [f"digest    {self.digest}", f"image     {self.image}"]
        if self.sif:
            lines.append(f"sif       {self.sif}")
        lines.append(f"size      {self._size()}")
        if self.plan.keep_local_image:
            lines.append(f"run it    docker run --rm -it {next(iter(self.plan.tags), self.plan.local_image)}")
        return "\n".join(lines)

    def summary(self) -> str:
        """Return the job summary in GitHub's Markdown."""
        plan = self.plan
        workspace = plan.definition.workspace
        platform = workspace.platform
        environment = markdown_code(workspace.environment)
        packages = f"{platform.conda_packages + platform.pypi_packages} packages"
        for each in workspace.more:
            count = each.platform.conda_packages + each.platform.pypi_packages
            packages += f", with {markdown_code(each.environment)}, {count} packages"
        origin = "reused" if plan.reuses_environment else "published"
        installed = "straight from the lock" if plan.way.is_direct else "by Pixi in the build"
        built_with = f"pixi {plan.definition.bases.pixi_version}"
        if workspace.cuda:
            built_with += f", CUDA {workspace.cuda}"
        rows = [
            ("Decision", markdown_text(f"{plan.decision.kind}: {plan.decision.reason}")),
            ("Changes", markdown_text(plan.changes.reason)),
            (
                "Environment",
                f"{environment} on {markdown_code(platform.docker)}, {packages}, installed {installed}",
            ),
            (
                "Environment image",
                f"{markdown_code(str(plan.environment_image))}, {origin}" if plan.environment_image else "none",
            ),
            *([("Base image", self._base())] if plan.base else []),
            ("Built with", markdown_text(built_with)),
            (
                "Tags" if self.digest else "Tags (not pushed)",
                "<br>".join(markdown_code(tag) for tag in plan.tags) or "none",
            ),
            ("Digest", markdown_code(self.digest) if self.digest else "not pushed"),
            ("Size", self._size()),
            *(("Note", markdown_text(note)) for note in self.notes),
        ]
        lines = [f"### Container image of {environment}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in rows]
        if self.digest:
            lines += pull_commands(self.image, self.sif)
        dockerfile = markdown_block(plan.definition.dockerfile, "dockerfile")
        lines += ["", "<details><summary>Dockerfile</summary>", "", dockerfile, "</details>"]
        return "\n".join(lines) + "\n"

    def _base(self) -> str:
        base = self.plan.base
        assert base  # noqa: S101 - it is asked for where there is one
        shown = markdown_code(str(base.image or base.tag))
        versions = ", ".join(markdown_code(f"{name} {version}") for name, version in self._installed)
        if base.kind == "reuse":
            how = "reused"
        elif not base.is_needed:
            how = "not needed"
        else:
            how = "published" if base.tags else "not published"
        return f"{shown}, {how}" + (f", with {versions}" if versions else "")

    def _size(self) -> str:
        if self.published:
            sizes = self.published.layer_sizes
            return f"{sum(sizes) / 1e6:.1f} MB compressed in {len(sizes)} layers"
        return f"{self.image_size / 1e6:.1f} MB in the engine" if self.image_size else "unknown"


def image_json(plan: Plan, decision: Decision, image: str, platforms: Mapping[str, str]) -> dict[str, Any]:
    """Return what the output ``images`` has of one image; ``platforms`` are digests by platform."""
    return {
        "environment": plan.definition.workspace.environment,
        "decision": decision.kind,
        "reason": decision.reason,
        "image": image,
        "tags": plan.tags,
        "platforms": platforms,
    }


def pull_commands(image: str, sif: str = "") -> list[str]:
    """Return lines of Markdown that say how to use an image by digest, and its SIF if it has one."""
    pull = f"docker pull {image}\napptainer pull {sif or f'docker://{image}'}"
    submit = f"universe = container\ncontainer_image = docker://{image}"
    return ["", markdown_block(pull, "sh"), "", "HTCondor:", "", markdown_block(submit, "ini")]

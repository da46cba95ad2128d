"""The result of a run for several environments: the outputs, the job summary and the closing lines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.display import markdown_code, markdown_text
from pixi_container.plan.decision import BUILD, PROMOTE, SKIP
from pixi_container.report import OUTPUTS

if TYPE_CHECKING:
    from pixi_container.environment_process import Shipped

_DONE = {BUILD: "built", PROMOTE: "promoted", SKIP: "skipped"}


@dataclass(frozen=True)
class EnvironmentsReport:
    """How the image of each environment ended."""

    shipped: tuple[Shipped, ...]

    @property
    def failed(self) -> tuple[Shipped, ...]:
        """Those that have an error."""
        return tuple(each for each in self.shipped if each.error)

    @property
    def reason(self) -> str:
        """How many of the environments ended in which way, in one sentence."""
        done = Counter(each.outputs["decision"] for each in self.shipped if not each.error)
        parts = [f"{done[kind]} {word}" for kind, word in _DONE.items() if done[kind]]
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        return f"of {len(self.shipped)} environments, {', '.join(parts)}"

    def outputs(self) -> dict[str, str]:
        """Return the outputs by name; what differs between environments stands in ``images`` alone."""
        outputs = [each.outputs for each in self.shipped if not each.error]
        decisions = {each["decision"] for each in outputs}
        changed = any(each["changed"] == "true" for each in outputs) or bool(self.failed)
        common = {
            name: outputs[0][name] if len({each[name] for each in outputs}) == 1 else ""
            for name in OUTPUTS
            if outputs
        }
        return {
            **dict.fromkeys(OUTPUTS, ""),
            **common,
            "decision": next((kind for kind in _DONE if kind in decisions), ""),
            "reason": self.reason,
            "changed": "true" if changed else "false",
            "pushed": "true" if outputs and all(each["pushed"] == "true" for each in outputs) else "false",
            "tags": "\n".join(each["tags"] for each in outputs if each["tags"]),
            "images": json.dumps([image for each in outputs for image in json.loads(each["images"])]),
            "dockerfile": "",
            "metadata": "",
        }

    def text(self) -> str:
        """Return the result for a terminal."""
        lines = [f"result    {self.reason}"]
        for each in self.shipped:
            lines += ["", f"{each.environment}:"]
            text = f"failed    {each.error.message}" if each.error else each.text
            lines += [f"  {line}" for line in text.splitlines()]
        return "\n".join(lines)

    def summary(self) -> str:
        """Return the job summary in GitHub's Markdown: a table, and what there is of each environment below it."""
        lines = [f"### Container images of {len(self.shipped)} environments", "", self.reason, ""]
        lines += ["| environment | decision | image |", "|---|---|---|"]
        for each in self.shipped:
            decision = f"failed: {each.error.message}" if each.error else each.outputs["decision"]
            image = markdown_code(each.outputs["image"]) if not each.error and each.outputs["image"] else ""
            lines.append(f"| {markdown_code(each.environment)} | {markdown_text(decision)} | {image} |")
        for each in self.shipped:
            if each.summary:
                name = markdown_code(each.environment)
                lines += ["", f"<details><summary>{name}</summary>", "", each.summary.rstrip(), "", "</details>"]
        return "\n".join(lines) + "\n"

"""What a run for several platforms tells: of the index, and of each platform below it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pixi_container.index_report import IndexReport
from pixi_container.plan.decision import Decision
from pixi_container.plan.index_plan import IndexPlan
from pixi_container.plan.plan import Plan
from pixi_container.registry.client import PublishedImage
from pixi_container.registry.reference import parse_reference
from pixi_container.report import Report
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PUSH, plan_of

STUDY = "ghcr.io/lab/study"
DIGEST, CHILD, OLD = (f"sha256:{digit * 64}" for digit in "123")
REASON = "for linux/amd64: a | b"


@pytest.fixture
def plans(folder: Folder) -> tuple[Plan, Plan]:
    """The plans of a platform that is built, and of one whose image is there."""
    built = plan_of(folder, PUSH, tags="type=raw,value=a\ntype=raw,value=b", flavor="latest=false")
    image = parse_reference(f"{STUDY}@{OLD}", source="image")
    workspace = built.definition.workspace
    arm = replace(workspace, platform=replace(workspace.platform, subdir="linux-aarch64"))
    decision = Decision(kind="skip", reason="it is there", images=(image,))
    other = replace(built, definition=replace(built.definition, workspace=arm), decision=decision)
    return built, other


def report_of(plans: tuple[Plan, Plan], digest: str = DIGEST, sif: str = "") -> IndexReport:
    tags = tuple(parse_reference(tag, source="tag") for tag in plans[0].tags)
    plan = IndexPlan(plans=plans, decision=Decision(kind="build", reason=REASON), published_tags=tags)
    published = PublishedImage(CHILD, f"sha256:{'4' * 64}", (1_000_000,))
    reports = (Report(plan=plans[0], published=published), Report(plan=plans[1]))
    return IndexReport(plan=plan, reports=reports, digest=digest, sif=sif)


def test_outputs_are_those_of_the_index(plans: tuple[Plan, Plan]) -> None:
    report = report_of(plans, sif="oras://a:b-sif")
    outputs = report.outputs()
    first = report.reports[0].outputs()
    assert outputs.keys() == first.keys()
    differing = {"decision", "reason", "pushed", "digest", "image", "images", "sif", "metadata"}
    assert {name: outputs[name] for name in outputs if name not in differing} == {
        name: first[name] for name in first if name not in differing
    }
    image = f"{STUDY}@{DIGEST}"
    assert (outputs["decision"], outputs["reason"], outputs["pushed"]) == ("build", REASON, "true")
    assert (outputs["digest"], outputs["image"], outputs["sif"]) == (DIGEST, image, "oras://a:b-sif")
    assert json.loads(outputs["images"]) == [
        {
            "environment": "default",
            "decision": "build",
            "reason": REASON,
            "image": image,
            "tags": [f"{STUDY}:a", f"{STUDY}:b"],
            "platforms": {"linux/amd64": CHILD, "linux/arm64": OLD},
        }
    ]
    assert outputs["metadata"] == json.dumps(report.plan.as_json(), sort_keys=True)
    metadata = json.loads(outputs["metadata"])
    assert metadata["platforms"].keys() == {"linux/amd64", "linux/arm64"}
    assert (metadata["push"], metadata["new_tags"]) == (True, [])
    assert metadata["published_tags"] == metadata["tags"] == [f"{STUDY}:a", f"{STUDY}:b"]


def test_what_is_not_pushed_has_no_digest(plans: tuple[Plan, Plan]) -> None:
    report = report_of(plans, digest="")
    outputs = report.outputs()
    assert (outputs["pushed"], outputs["digest"], outputs["image"]) == ("false", "", "")
    built = IndexReport(plan=report.plan, reports=(Report(plan=plans[0]),))
    assert (built.image, built.outputs()["sif"]) == ("", "")
    assert "docker pull" not in built.summary()
    assert json.loads(built.outputs()["images"])[0]["platforms"] == {"linux/amd64": ""}
    assert report.text().splitlines()[1:4] == [
        f"tag       {STUDY}:a (not pushed)",
        f"tag       {STUDY}:b (not pushed)",
        "",
    ]
    assert "| Digest | not pushed |\n" in report.summary()
    assert "| Tags (not pushed) | <code>" in report.summary()


def test_an_index_with_several_names_is_known_by_the_first(plans: tuple[Plan, Plan]) -> None:
    report = report_of(plans)
    tags = tuple(parse_reference(tag, source="tag") for tag in ("b.io/x:1", "a.io/y:1"))
    assert replace(report, plan=replace(report.plan, published_tags=tags)).image == f"b.io/x@{DIGEST}"


def test_a_terminal_has_each_tag_once_and_each_platform_below(plans: tuple[Plan, Plan]) -> None:
    lines = report_of(plans).text().splitlines()
    assert lines[:7] == [
        f"decision  build: {REASON}",
        f"tag       {STUDY}:a",
        f"tag       {STUDY}:b",
        f"digest    {DIGEST}",
        f"image     {STUDY}@{DIGEST}",
        "",
        "linux/amd64:",
    ]
    assert "linux/arm64:" in lines[lines.index("linux/amd64:") :]
    assert all(line.startswith("  ") for line in lines[7:] if line not in {"", "linux/arm64:"})
    assert sum("tag  " in line for line in lines) == 2


def test_the_summary_has_a_table_and_each_platform_folded(plans: tuple[Plan, Plan]) -> None:
    report = report_of(plans, sif="oras://a:b-sif")
    head, amd64, arm64 = re.split("(?=\n<details><summary>linux/)", report.summary())
    assert head.splitlines()[:7] == [
        "### Container image of <code>default</code> for 2 platforms",
        "",
        "| | |",
        "|---|---|",
        "| Decision | build: for linux/amd64: a &#124; b |",
        f"| Tags | <code>{STUDY}:a</code><br><code>{STUDY}:b</code> |",
        f"| Digest | <code>{DIGEST}</code> |",
    ]
    assert f"docker pull {STUDY}@{DIGEST}\napptainer pull oras://a:b-sif\n" in head
    for name, text, each in (("amd64", amd64, report.reports[0]), ("arm64", arm64, report.reports[1])):
        folded = f"\n<details><summary>linux/{name}</summary>\n\n{each.summary().rstrip()}\n\n</details>\n"
        assert text == folded


def test_an_index_without_tags_says_so(plans: tuple[Plan, Plan]) -> None:
    report = report_of(plans, digest="")
    bare = replace(plans[0].definition, metadata=replace(plans[0].definition.metadata, tags=()))
    none = replace(report, plan=replace(report.plan, plans=(replace(plans[0], definition=bare), plans[1])))
    assert "| Tags (not pushed) | none |" in none.summary()

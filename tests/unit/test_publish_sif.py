"""Which tags a SIF gets, and what is refused before anything is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.inputs import parse_inputs
from pixi_container.log import TerminalLog
from pixi_container.publish_sif import check_sif, sif_suffixes, with_sif
from pixi_container.report import Report
from pixi_container.request import Request, request_for
from pixi_container.runner.event import Event
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, plan_of


def test_the_usual_platform_has_the_short_tag() -> None:
    assert sif_suffixes(["linux/arm64"]) == {"linux/arm64": "-sif"}
    assert sif_suffixes(["linux/arm64", "linux/amd64"]) == {"linux/arm64": "-sif-arm64", "linux/amd64": "-sif"}
    assert sif_suffixes(["linux/arm64", "linux/arm/v7"]) == {"linux/arm64": "-sif", "linux/arm/v7": "-sif-arm-v7"}


def request_of(path: Path, event: Event = PUSH, *, sif: str = "true") -> Request:
    """Return the request of a run on a machine whose programs are in a folder."""
    return request_for(event, parse_inputs({"sif": sif}), {"PATH": str(path)})


def test_a_machine_without_the_program_is_told_before_a_build(folder: Folder, tmp_path: Path) -> None:
    plan = plan_of(folder, PUSH, sif="true")
    with pytest.raises(ToolUnavailableError, match="'sif' needs the program"):
        check_sif(request_of(tmp_path), plan)
    check_sif(request_of(tmp_path, sif="false"), plan)
    check_sif(request_of(tmp_path, PULL_REQUEST), plan_of(folder, PULL_REQUEST, sif="true"))
    check_sif(request_of(tmp_path), replace(plan, decision=replace(plan.decision, kind="promote")))


def test_nothing_is_published_beside_what_is_not(folder: Folder, tmp_path: Path) -> None:
    report = Report(plan=plan_of(folder, PUSH, sif="true"))
    assert with_sif(request_of(tmp_path), report, TerminalLog()) is report


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("type=raw,value=a\ntype=raw,value=a-sif", "'sif' needs the tag .*:a-sif for the SIF"),
        (f"type=raw,value={'a' * 126}", "longer than 128 characters"),
    ],
)
def test_a_tag_that_is_not_possible_is_refused(folder: Folder, tmp_path: Path, tags: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_sif(request_of(tmp_path), plan_of(folder, PUSH, sif="true", tags=tags))

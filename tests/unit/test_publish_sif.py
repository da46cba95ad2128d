"""Which tags a SIF gets, and what is refused before anything is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.index_report import IndexReport
from pixi_container.inputs import parse_inputs
from pixi_container.log import TerminalLog
from pixi_container.plan.index_plan import IndexPlan
from pixi_container.publish_sif import check_sif, sif_suffixes, with_sif
from pixi_container.registry.client import OCI_INDEX, ImageManifest, PublishedImage
from pixi_container.report import Report
from pixi_container.request import Request, request_for
from pixi_container.runner.event import Event
from pixi_container.sif.artifact import sif_tag
from pixi_container.sif.make_sif import Sif
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, plan_of
from tests.unit.registry_server import RegistryServer


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


class Publishing:
    """A registry with an image for two platforms, and a stand-in for what makes a SIF, which notes for what."""

    def __init__(self, server: RegistryServer, folder: Folder, temporary: Path) -> None:
        self.made: list[tuple[str, str]] = []
        self.server = server
        self._temporary = temporary
        labels = {"org.opencontainers.image.title": "study", "other": "x"}
        self.children = {
            architecture: server.put_image("lab/study", labels={**labels, "of": architecture})
            for architecture in ("amd64", "arm64")
        }
        listed = [
            {**child, "platform": {"os": "linux", "architecture": name}} for name, child in self.children.items()
        ]
        server.put_manifest("lab/study", {"mediaType": OCI_INDEX, "manifests": listed}, "main")
        self.digest = server.digest("lab/study", "main")
        tags = "type=raw,value=main\ntype=raw,value=v1"
        self.request = request_for(
            PUSH, parse_inputs({"sif": "true", "images": str(server.name())}), {"RUNNER_TEMP": str(temporary)}
        )
        self.plan = plan_of(folder, PUSH, sif="true", tags=tags, flavor="latest=false", images=str(server.name()))

    def make_sif(
        self, source: object, manifest: ImageManifest, name: str, work: Path, env: Mapping[str, str]
    ) -> Sif:
        assert source
        assert env is self.request.env
        self.made.append((manifest.digest, name))
        file = work / "squashed"
        file.write_bytes(b"files")
        return Sif(head=b"head", file_system=file, created=0)

    def published(self, digest: str = "", **plan: object) -> Report:
        """Return the report of a run with the SIF."""
        report = Report(
            plan=replace(self.plan, **plan),  # type: ignore[arg-type]
            published=PublishedImage(digest or self.digest, "sha256:c", ()),
        )
        return with_sif(self.request, report, TerminalLog())

    def sif(self, tag: str) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self.server.manifests["lab/study"][tag][1])
        return made


@pytest.fixture
def publishing(
    server: RegistryServer, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Publishing:
    made = Publishing(server, folder, tmp_path)
    monkeypatch.setattr("pixi_container.publish_sif.make_sif", made.make_sif)
    return made


def test_a_sif_has_a_tag_for_each_of_the_image_and_one_to_be_found_by(publishing: Publishing) -> None:
    server, amd64 = publishing.server, publishing.children["amd64"]["digest"]
    report = publishing.published()
    assert report.sif == f"oras://{server.name()}:main-sif"
    assert publishing.made == [(amd64, f"{server.name()}@{amd64}")]
    assert server.tags("lab/study") == {"main", "main-sif", "v1-sif", sif_tag(amd64)}
    assert len({server.digest("lab/study", tag) for tag in ("main-sif", "v1-sif", sif_tag(amd64))}) == 1
    sif = publishing.sif("main-sif")
    assert sif["layers"][0]["annotations"] == {"org.opencontainers.image.title": "study.sif"}
    assert sif["annotations"] == {
        "org.opencontainers.image.title": "study",
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
        "pixi-container.sif-of": amd64,
    }


def test_a_sif_that_is_there_is_only_tagged(publishing: Publishing, capsys: pytest.CaptureFixture[str]) -> None:
    publishing.published()
    first = publishing.server.digest("lab/study", "main-sif")
    del publishing.server.manifests["lab/study"]["v1-sif"]
    publishing.published()
    assert len(publishing.made) == 1
    assert publishing.server.digest("lab/study", "v1-sif") == first
    shown = capsys.readouterr().err
    assert f":v1-sif points to {first}" in shown
    assert "== Publish the SIF\n" in shown


def test_two_names_of_an_image_get_one_sif(publishing: Publishing) -> None:
    server, amd64 = publishing.server, publishing.children["amd64"]["digest"]
    server.manifests["lab/other"].update(server.manifests["lab/study"])
    server.blobs["lab/other"].update(server.blobs["lab/study"])
    images = tuple(server.name(name).pinned(amd64) for name in ("lab/study", "lab/other"))
    metadata = replace(
        publishing.plan.definition.metadata, tags=tuple(f"{image.tagged('main').name}:main" for image in images)
    )
    publishing.published(
        definition=replace(publishing.plan.definition, metadata=metadata),
        decision=replace(publishing.plan.decision, kind="promote", images=images),
    )
    assert len(publishing.made) == 1
    assert server.digest("lab/study", "main-sif") == server.digest("lab/other", "main-sif") != ""


def test_what_is_under_the_tag_of_a_sif_but_of_another_image_is_made_anew(publishing: Publishing) -> None:
    amd64 = publishing.children["amd64"]["digest"]
    publishing.server.put_image("lab/study", sif_tag(amd64))
    publishing.published()
    assert publishing.sif(sif_tag(amd64))["annotations"]["pixi-container.sif-of"] == amd64


def test_each_platform_of_an_index_has_its_sif(publishing: Publishing) -> None:
    workspace = publishing.plan.definition.workspace
    arm = replace(workspace, platform=replace(workspace.platform, subdir="linux-aarch64"))
    other = replace(publishing.plan, definition=replace(publishing.plan.definition, workspace=arm))
    plan = IndexPlan(plans=(publishing.plan, other), decision=publishing.plan.decision, published_tags=())
    report = IndexReport(plan=plan, reports=(), digest=publishing.digest)
    assert with_sif(publishing.request, report, TerminalLog()).sif.endswith(":main-sif")
    of = {
        tag: publishing.sif(tag)["annotations"]["pixi-container.sif-of"] for tag in ("main-sif", "main-sif-arm64")
    }
    assert of == {
        f"main-sif{end}": publishing.children[name]["digest"] for name, end in (("amd64", ""), ("arm64", "-arm64"))
    }


def test_an_image_that_was_there_is_the_one_that_is_packed(publishing: Publishing) -> None:
    image = publishing.server.name().pinned(publishing.children["arm64"]["digest"])
    decision = replace(publishing.plan.decision, kind="promote", images=(image,))
    publishing.published(decision=decision)
    assert [digest for digest, _ in publishing.made] == [image.digest]


def test_a_sif_that_fails_leaves_the_image_and_says_so(publishing: Publishing) -> None:
    with pytest.raises(UserError) as caught:
        publishing.published(digest=f"sha256:{'9' * 64}")
    assert caught.value.message.startswith(f"the image {publishing.server.name()}@sha256:999")
    assert "is published, but its SIF is not: " in caught.value.message
    assert caught.value.message.endswith("does not exist for linux/amd64")

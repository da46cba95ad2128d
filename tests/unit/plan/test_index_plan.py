"""The plan of an index: built with any of its images, tagged where all are there, refused where tags differ."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

import pytest

from pixi_container.errors import UserError
from pixi_container.image.fingerprint import Fingerprint
from pixi_container.inputs import parse_inputs
from pixi_container.plan.decision import Decision
from pixi_container.plan.index_plan import IndexPlan, plan_index
from pixi_container.plan.plan import Plan
from pixi_container.registry.client import OCI_INDEX, Descriptor, ImageManifest
from pixi_container.registry.reference import ImageReference
from pixi_container.request import request_for
from pixi_container.runner.event import Event
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, plan_of

STUDY = ImageReference("ghcr.io", "lab/study")
AMD64, ARM64, INDEX, OTHER = (f"sha256:{digit * 64}" for digit in "1234")
TAGS = "type=raw,value=a\ntype=raw,value=b"
IMAGE = "application/vnd.oci.image.manifest.v1+json"


class Images:
    """A registry with an index of these images under its own tag, to which these tags of the user's point too."""

    def __init__(self, *children: str, tags: tuple[str, ...] = (), media_type: str = OCI_INDEX) -> None:
        self._tags = tags
        attestation = {"vnd.docker.reference.type": "attestation-manifest"}
        self._manifest = ImageManifest(
            name=str(STUDY),
            digest=INDEX,
            media_type=media_type,
            content=b"",
            children=(
                *(Descriptor(digest=child, size=1, media_type=IMAGE) for child in children),
                Descriptor(digest=OTHER, size=1, media_type=IMAGE, annotations=attestation),
            ),
        )

    def get_manifest(self, reference: ImageReference) -> ImageManifest | None:
        assert reference.tag.startswith("img-default-")
        return self._manifest if self._manifest.children[:-1] else None

    def get_digest(self, reference: ImageReference) -> str | None:
        return INDEX if reference.tag in self._tags else None


def platforms_of(folder: Folder, event: Event = PUSH, *, there: bool = True) -> list[Plan]:
    """Return the plans of both platforms, whose images are on the registry if they are there."""
    plan = plan_of(
        folder, event, tags="type=raw,value=a\ntype=raw,value=b", flavor="latest=false", push="untagged"
    )
    made = []
    for subdir, digest in (("linux-64", AMD64), ("linux-aarch64", ARM64)):
        workspace = plan.definition.workspace
        workspace = replace(workspace, platform=replace(workspace.platform, subdir=subdir))
        fingerprint = Fingerprint((("of", subdir),))
        definition = replace(plan.definition, workspace=workspace, fingerprint=fingerprint)
        decision = Decision(kind="skip", reason="it is there", images=(STUDY.pinned(digest),))
        own = (STUDY.tagged(definition.image_tag),)
        each = replace(plan, definition=definition, published_tags=own)
        made.append(replace(each, decision=decision) if there else each)
    return made


def planned(
    plans: list[Plan], images: Images | None = None, event: Event = PUSH, *, untagged: bool = False
) -> IndexPlan:
    request = request_for(event, parse_inputs({"push": "untagged"} if untagged else {}), {})
    return plan_index(request, plans, cast("Any", images))


def names(tags: tuple[ImageReference, ...]) -> list[str]:
    return [re.sub("-[0-9a-f]+$", "-#", tag.tag) for tag in tags]


def test_where_an_image_is_built_the_index_is_too_and_has_the_users_tags(folder: Folder) -> None:
    plans = platforms_of(folder, there=False)
    plan = planned(plans, Images(AMD64, ARM64))
    assert (plan.decision.kind, plan.decision.reason) == ("build", plans[0].decision.reason)
    assert names(plan.published_tags) == ["a", "b", "img-default-#"]
    assert (plan.platforms, plan.tags, plan.push) == (("linux/amd64", "linux/arm64"), plans[0].tags, True)


def test_which_platform_is_built_is_told_if_the_other_is_not(folder: Folder) -> None:
    plans = platforms_of(folder)
    plans[1] = replace(plans[1], decision=Decision(kind="build", reason="a file changed"))
    assert planned(plans, Images(AMD64, ARM64)).decision.reason == "for linux/arm64: a file changed"


def test_each_reason_is_told_once(folder: Folder) -> None:
    plans = platforms_of(folder)
    both = [
        replace(plan, decision=Decision(kind="build", reason=reason))
        for plan, reason in zip(plans, "ab", strict=True)
    ]
    assert planned(both, Images()).decision.reason == "a; b"
    same = [replace(plan, decision=Decision(kind="build", reason="a")) for plan in plans]
    assert planned(same, Images()).decision.reason == "a"


def test_an_index_that_is_there_with_every_tag_is_up_to_date(folder: Folder) -> None:
    plan = planned(platforms_of(folder), Images(AMD64, ARM64, tags=("a", "b")))
    assert (plan.decision.kind, plan.decision.images) == ("skip", (STUDY.pinned(INDEX),))
    assert names(plan.published_tags) == ["a", "b", "img-default-#"]


def test_an_index_that_is_there_gets_the_tags_that_it_has_not(folder: Folder) -> None:
    plan = planned(platforms_of(folder), Images(AMD64, ARM64, tags=("a",)))
    assert (plan.decision.kind, names(plan.decision.new_tags)) == ("promote", ["b"])
    assert f"put tag      {STUDY}:b on {STUDY}@{INDEX}" in plan.as_text().splitlines()


@pytest.mark.parametrize(
    "images", [Images(), Images(AMD64), Images(AMD64, OTHER), Images(AMD64, ARM64, media_type=IMAGE)]
)
def test_an_index_of_other_images_is_none(folder: Folder, images: Images) -> None:
    plan = planned(platforms_of(folder), images)
    assert (plan.decision.kind, plan.decision.images) == ("promote", ())
    assert plan.decision.new_tags == plan.published_tags
    assert plan.decision.reason.startswith("the image of each platform was built and tested")


def test_an_index_without_the_users_tags_has_the_one_to_be_found_by(folder: Folder) -> None:
    plans = platforms_of(folder)
    assert names(planned(plans, Images(), untagged=True).published_tags) == ["img-default-#"]
    tag = planned(plans, Images(), untagged=True).published_tags[0]
    assert planned(plans, Images()).published_tags[-1] == tag
    other = replace(plans[1].definition, fingerprint=Fingerprint((("of", "another state"),)))
    changed = [plans[0], replace(plans[1], definition=other)]
    assert planned(changed, Images()).published_tags[-1] != tag


@pytest.mark.parametrize("there", [True, False])
def test_a_pull_request_has_an_index_of_nothing(folder: Folder, there: bool) -> None:
    plans = platforms_of(folder, PULL_REQUEST, there=there)
    plan = planned(plans, Images(AMD64, ARM64), PULL_REQUEST)
    assert (plan.published_tags, plan.decision.images, plan.decision.new_tags) == ((), (), ())
    assert plan.decision.kind == plans[0].decision.kind


def test_without_a_registry_nothing_is_asked(folder: Folder) -> None:
    plan = planned(platforms_of(folder))
    assert (plan.decision.kind, plan.published_tags) == ("skip", ())


def test_tags_that_differ_are_refused(folder: Folder) -> None:
    plans = platforms_of(folder)
    metadata = replace(plans[1].definition.metadata, tags=(f"{STUDY}:c",))
    plans[1] = replace(plans[1], definition=replace(plans[1].definition, metadata=metadata))
    with pytest.raises(UserError, match="the tags for linux/arm64 differ from those for linux/amd64"):
        planned(plans)


def test_a_person_reads_the_plan_of_each_platform_below_that_of_the_index(folder: Folder) -> None:
    plan = planned(platforms_of(folder), Images(AMD64, ARM64, tags=("a", "b")))
    lines = plan.as_text().splitlines()
    assert lines[:5] == [
        f"decision     skip: {plan.decision.reason}",
        f"tag          {STUDY}:a",
        f"tag          {STUDY}:b",
        "",
        "linux/amd64:",
    ]
    arm = lines.index("linux/arm64:")
    assert lines[arm - 1] == ""
    assert lines[arm + 1] == "  decision     skip: it is there"
    assert not any(line.startswith("  tag ") for line in lines)


def test_annotations_of_an_index_are_those_for_it(folder: Folder) -> None:
    plans = platforms_of(folder)
    first = replace(plans[0], annotations=("index:a=1", "manifest:b=2"))
    assert planned([first, plans[1]]).annotations == {"a": "1"}

"""How a base is had: which builds make it, where it goes, and what is built on it."""

from __future__ import annotations

import pytest

from pixi_container.docker.builder import NO_BUILDER, BuilderKind
from pixi_container.errors import ToolUnavailableError, UserError
from pixi_container.image.fingerprint_labels import APT_PACKAGES, BASE, BASE_REFRESHED
from pixi_container.plan.existing import ExistingBase, ExistingImages
from pixi_container.plan.plan import Plan
from pixi_container.registry.reference import parse_reference
from pixi_container.runner.event import Event
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH, plan_of, purposes, words_after

NAME = parse_reference("ghcr.io/lab/study", source="test")
BASE_IMAGE = NAME.pinned(f"sha256:{'a' * 64}")
ENVIRONMENT = NAME.pinned(f"sha256:{'e' * 64}")
THERE = ExistingBase(image=BASE_IMAGE, refreshed="2026-01-02T03:04:05Z", packages=(("git", "1:2.39"),))
NO_LAYOUTS = BuilderKind(driver="docker", annotations=False)


def planned(folder: Folder, event: Event = PUSH, **options: object) -> Plan:
    given: dict[str, object] = {"apt_packages": "git tini", **options}
    return plan_of(folder, event, **given)  # type: ignore[arg-type]


def test_a_base_that_is_not_there_is_built_first_and_published_under_every_name(folder: Folder) -> None:
    plan = planned(folder, images="ghcr.io/lab/study\nquay.io/lab/study")
    assert plan.base
    assert purposes(plan) == ["list-packages", "base", "push-environment", "push"]
    listing, base, environment, push = plan.commands.all
    assert words_after("--target", listing.argv) == ["base-packages"]
    assert words_after("--output", listing.argv) == ["type=local,dest=$WORK/base-packages"]
    assert words_after("--target", base.argv) == ["runtime"]
    assert words_after("--output", base.argv) == ["type=registry,oci-mediatypes=true,compression=gzip"]
    tag = plan.base.tag
    assert words_after("--tag", base.argv) == [f"ghcr.io/lab/study:{tag}", f"quay.io/lab/study:{tag}"]
    labels = dict(label.split("=", 1) for label in words_after("--label", base.argv))
    assert plan.definition.base
    assert labels == {
        BASE: plan.definition.base.fingerprint.digest,
        APT_PACKAGES: "$PACKAGES",
        "org.opencontainers.image.source": "https://github.com/Lab/Study",
    }
    for command in (listing, base):
        assert words_after("--build-context", command.argv) == []
        assert "--pull" not in command.argv
    for command in (environment, push):
        on = words_after("--build-context", command.argv)
        assert on == ["runtime=docker-image://ghcr.io/lab/study@$BASE"]
    filled = plan.commands.on_base("sha256:1")
    assert filled.push
    assert words_after("--build-context", filled.push.argv) == [
        "runtime=docker-image://ghcr.io/lab/study@sha256:1"
    ]


def test_instructions_alone_need_no_list_of_packages(folder: Folder) -> None:
    plan = planned(folder, apt_packages="", base_instructions="RUN id")
    assert purposes(plan) == ["base", "push-environment", "push"]
    assert APT_PACKAGES not in str(plan.commands.base)


def test_a_base_that_is_there_is_used_by_digest(folder: Folder) -> None:
    plan = planned(folder, existing=ExistingImages(base=THERE))
    assert purposes(plan) == ["push-environment", "push"]
    for command in plan.commands.all:
        assert words_after("--build-context", command.argv) == [f"runtime=docker-image://{BASE_IMAGE}"]
    assert plan.base
    assert plan.base.as_json() == {
        "tag": plan.base.tag,
        "kind": "reuse",
        "image": str(BASE_IMAGE),
        "tags": [],
        "refreshed": "2026-01-02T03:04:05Z",
        "apt_packages": {"git": "1:2.39"},
        "is_built": False,
    }
    assert f"base         reused from {BASE_IMAGE}, refreshed 2026-01-02T03:04:05Z: git 1:2.39" in plan.as_text()


def test_an_environment_that_is_there_needs_no_base(folder: Folder) -> None:
    plan = planned(folder, existing=ExistingImages(environment=ENVIRONMENT))
    assert purposes(plan) == ["push"]
    assert plan.base
    assert not plan.base.is_built
    assert f"base         {plan.base.tag}, not needed" in plan.as_text()


def test_without_a_push_the_base_stays_in_a_folder(folder: Folder) -> None:
    plan = planned(folder, PULL_REQUEST)
    assert purposes(plan) == ["list-packages", "base", "build"]
    _, base, build = plan.commands.all
    assert words_after("--output", base.argv) == ["type=oci,tar=false,dest=$WORK/base"]
    assert words_after("--tag", base.argv) == []
    assert words_after("--build-context", build.argv) == ["runtime=oci-layout://$WORK/base@$BASE"]


def test_a_builder_that_takes_no_folder_builds_the_base_with_the_image(folder: Folder) -> None:
    plan = planned(folder, PULL_REQUEST, kind=NO_LAYOUTS, environment_builder="auto")
    assert purposes(plan) == ["build"]
    assert words_after("--build-context", plan.commands.all[0].argv) == []
    assert (plan.base and plan.base.kind, plan.way.kind) == ("inline", "docker")


def test_what_the_engines_own_builder_pushes_is_removed_from_it(folder: Folder) -> None:
    plan = planned(folder, kind=NO_LAYOUTS)
    assert plan.base
    assert f"ghcr.io/lab/study:{plan.base.tag}" in plan.leftover_images


@pytest.mark.parametrize("way", ["direct", "docker"])
def test_a_refreshed_base_is_another_one(folder: Folder, way: str) -> None:
    plans = [
        planned(folder, existing=existing, environment_builder=way)
        for existing in (ExistingImages(), ExistingImages(base=THERE))
    ]
    first, fresh = (plan.definition for plan in plans)
    assert first.base
    assert fresh.base
    assert first.base.tag == fresh.base.tag
    assert first.environment_tag != fresh.environment_tag
    assert first.image_tag != fresh.image_tag
    assert "ARG PIXI_CONTAINER_REFRESHED=2026-01-02T03:04:05Z" in fresh.dockerfile
    assert "PIXI_CONTAINER_REFRESHED" not in first.dockerfile


def test_a_refresh_pulls_what_is_copied_from_other_images(folder: Folder) -> None:
    plan = planned(folder, refresh="true")
    assert plan.commands.list_packages
    assert plan.commands.base
    assert "--pull" in plan.commands.list_packages.argv
    assert "--pull" in plan.commands.base.argv
    assert plan.decision.reason.endswith("and 'refresh' asks for a new base")


def test_a_refreshed_base_says_so(folder: Folder) -> None:
    existing = ExistingImages(base=THERE)
    plan = planned(folder, existing=existing)
    assert plan.definition.base
    assert plan.definition.base.refreshed == "2026-01-02T03:04:05Z"
    assert BASE_REFRESHED not in str(plan.commands.push)


@pytest.mark.parametrize("missing", ["", "no engine answers"])
def test_without_a_builder_the_base_must_be_there(folder: Folder, missing: str) -> None:
    none = BuilderKind(driver=NO_BUILDER, missing=missing)
    plan = planned(folder, kind=none, environment_builder="direct", existing=ExistingImages(base=THERE))
    assert plan.without_builder
    kind = ToolUnavailableError if missing else UserError
    with pytest.raises(kind, match=r"the registry has no base 'base-[0-9a-f]{16}'"):
        planned(folder, kind=none, environment_builder="direct")

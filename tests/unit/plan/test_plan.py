"""The plan: what will happen for each event, as command lines, and that no secret is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from pixi_container.changes.comparison import not_consulted
from pixi_container.docker.builder import BuilderKind
from pixi_container.docker.command import Command
from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI, choose_base_images
from pixi_container.image.base_instructions import read_base_instructions
from pixi_container.image.definition import define_image
from pixi_container.image.environment_way import EnvironmentWay
from pixi_container.image.files import read_image_files
from pixi_container.image.metadata import workspace_expressions
from pixi_container.image.own_dockerfile import read_own_dockerfile
from pixi_container.image.sources import Sources
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.plan.decision import decide
from pixi_container.plan.existing import ExistingImages
from pixi_container.plan.plan import Plan, make_plan
from pixi_container.registry.client import PublishedImage
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import parse_reference
from pixi_container.report import OUTPUTS, Report
from pixi_container.request import push_credentials, request_for
from pixi_container.runner.event import LOCAL, Event
from pixi_container.tags import facts_from
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

SHA = "0123456789abcdef0123456789abcdef01234567"
DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
PUSH = Event(
    name="push",
    ref="refs/heads/main",
    sha=SHA,
    repository="Lab/Study",
    actor="me",
    payload={"repository": {"default_branch": "main", "full_name": "Lab/Study"}},
)
TAG = replace(PUSH, ref="refs/tags/v1.2.3")
PULL_REQUEST = replace(PUSH, name="pull_request", ref="refs/pull/7/merge", payload={"number": 7})


def plan_of(
    folder: Folder,
    event: Event,
    *,
    kind: BuilderKind | None = None,
    keep: bool = False,
    existing: ExistingImages | None = None,
    **texts: str,
) -> Plan:
    texts = {"environment_builder": "docker", **texts}
    inputs = parse_inputs(
        {"context": str(folder.path), **{key.replace("_", "-"): text for key, text in texts.items()}}
    )
    own = read_own_dockerfile(inputs)
    needs_environment = own is None or own.builds_on_environment
    workspace = read_workspace(inputs, "linux/amd64", needs_environment=needs_environment)
    bases = choose_base_images(inputs, workspace, pin=lambda reference: reference.pinned(f"sha256:{'b' * 64}"))
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    facts = facts_from(event, commit_date=DATE, now=DATE, expressions=expressions)
    files = read_image_files(workspace, inputs, bases.pixi_version)
    base_instructions = read_base_instructions(workspace.context, inputs.base_instructions)
    sources = Sources(workspace=workspace, dockerfile=own, base_instructions=base_instructions)
    existing = existing or ExistingImages()
    refreshed = existing.base.refreshed if existing.base else ""
    definition = define_image(event, inputs, sources, bases, facts, files, refreshed=refreshed)
    changes = not_consulted("a test asks for it")
    decision = decide(event, inputs, changes, existing)
    request = request_for(event, inputs, {}, keep=keep)
    return make_plan(request, definition, changes, existing, decision, kind or BuilderKind())


def words_after(flag: str, argv: tuple[str, ...]) -> list[str]:
    return [argv[position + 1] for position, word in enumerate(argv) if word == flag]


def outputs_of(command: Command) -> list[str]:
    return [output.partition(",")[0] for output in words_after("--output", command.argv)]


def purposes(plan: Plan) -> list[str]:
    return [command.purpose for command in plan.commands.all]


def test_a_push_is_built_with_its_check_and_pushed(folder: Folder) -> None:
    plan = plan_of(folder, PUSH)
    assert plan.push
    assert plan.tags == ("ghcr.io/lab/study:main", "ghcr.io/lab/study:sha-0123456", "ghcr.io/lab/study:latest")
    assert purposes(plan) == ["push-environment", "push"]
    environment, push = plan.commands.all
    assert outputs_of(environment) == outputs_of(push) == ["type=registry"]
    assert words_after("--target", environment.argv) == ["environment"]
    made = f"ghcr.io/lab/study:env-default-{plan.definition.environment_fingerprint.short}"
    assert words_after("--tag", environment.argv) == [made, "ghcr.io/lab/study:env-default"]
    ours = f"ghcr.io/lab/study:img-default-{plan.definition.fingerprint.short}"
    assert words_after("--tag", push.argv) == [*plan.tags, ours] == [str(tag) for tag in plan.published_tags]


def test_a_test_of_ones_own_runs_in_the_image_before_anything_is_pushed(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, test_command="true")
    assert purposes(plan) == ["build", "test", "push-environment", "push"]
    build, test, _, push = plan.commands.all
    assert outputs_of(build) == ["type=docker"]
    assert words_after("--tag", build.argv) == [plan.local_image]
    assert test.argv[:4] == ("docker", "run", "--rm", "--name")
    assert plan.local_image in test.argv
    assert build.argv[: build.argv.index("--metadata-file")] == push.argv[: push.argv.index("--metadata-file")]
    assert words_after("--label", build.argv) == words_after("--label", push.argv)
    assert build.argv[-1] == push.argv[-1]


NODES = """\
linux/amd64=tcp://amd.lab.example:1234 cacert=/run/ca.pem cert=/run/cert.pem key=/run/key.pem
linux/arm64,linux/ppc64le=unix:///run/arm.sock
"""


def test_a_builder_of_nodes_is_made_first_and_makes_everything(folder: Folder) -> None:
    kind = BuilderKind(driver="remote", platforms=("linux/amd64", "linux/arm64"), platform="linux/amd64")
    plan = plan_of(folder, PUSH, kind=kind, nodes=NODES, test_command="true")
    first, more, *builds = plan.commands.all
    assert first == Command(
        "create-builder",
        (
            *(
                "docker",
                "buildx",
                "create",
                "--name",
                "$BUILDER",
                "--driver",
                "remote",
                "--platform",
                "linux/amd64",
            ),
            *("--driver-opt", "cacert=/run/ca.pem", "--driver-opt", "cert=/run/cert.pem"),
            *("--driver-opt", "key=/run/key.pem", "tcp://amd.lab.example:1234"),
        ),
    )
    assert more == Command(
        "create-builder",
        (
            *("docker", "buildx", "create", "--append", "--name", "$BUILDER", "--driver", "remote"),
            *("--platform", "linux/arm64,linux/ppc64le", "unix:///run/arm.sock"),
        ),
    )
    built = [command for command in builds if "buildx" in command.argv]
    assert [command.purpose for command in built] == ["build", "push-environment", "push"]
    assert {tuple(words_after("--builder", command.argv)) for command in built} == {("$BUILDER",)}
    assert {tuple(words_after("--platform", command.argv)) for command in built} == {("linux/amd64",)}
    assert "node         tcp://amd.lab.example:1234 runs the steps for linux/amd64" in plan.as_text().splitlines()
    assert plan.as_json()["node"] == "tcp://amd.lab.example:1234"


def test_what_is_not_built_needs_no_nodes(folder: Folder) -> None:
    there = parse_reference(f"ghcr.io/lab/study@sha256:{'e' * 64}", source="test")
    plan = plan_of(folder, TAG, nodes=NODES, existing=ExistingImages(images=(there,), tags={}))
    assert plan.commands.all == ()
    assert plan.node is None


def test_nodes_are_made_a_builder_once_also_where_docker_makes_the_environment_after_all(folder: Folder) -> None:
    kind = BuilderKind(driver="remote", platforms=("linux/amd64",), platform="linux/amd64")
    plan = plan_of(folder, PUSH, kind=kind, nodes=NODES, environment_builder="auto")
    assert len(plan.commands.create_builder) == 2
    assert plan.docker_commands.all
    assert plan.docker_commands.create_builder == ()


def test_an_environment_that_is_there_takes_the_place_of_its_stages(folder: Folder) -> None:
    there = parse_reference(f"ghcr.io/lab/study@sha256:{'e' * 64}", source="test")
    plan = plan_of(folder, PUSH, existing=ExistingImages(environment=there))
    assert purposes(plan) == ["push"]
    assert words_after("--build-context", plan.commands.all[0].argv) == [f"environment=docker-image://{there}"]
    assert plan.reuses_environment
    assert plan.environment_image == there
    request = plan_of(folder, PULL_REQUEST, existing=ExistingImages(environment=there))
    assert words_after("--build-context", request.commands.all[0].argv)
    assert outputs_of(request.commands.all[0]) == ["type=cacheonly"]


def test_a_pull_request_publishes_no_environment(folder: Folder) -> None:
    plan = plan_of(folder, PULL_REQUEST)
    assert plan.environment_image is None
    assert plan.as_json()["environment_image"] == Report(plan=plan).outputs()["environment-image"] == ""
    assert purposes(plan) == ["build"]


def test_an_image_that_is_there_gets_the_tags_and_nothing_is_run(folder: Folder) -> None:
    there = parse_reference(f"ghcr.io/lab/study@sha256:{'e' * 64}", source="test")
    latest, version = there.tagged("latest"), there.tagged("1.2.3")
    tags = {latest: there.digest, version: ""}
    plan = plan_of(folder, TAG, existing=ExistingImages(images=(there,), tags=tags))
    assert (plan.decision.kind, plan.decision.tags_to_put) == ("promote", ((there, (version,)),))
    assert purposes(plan) == []
    forced = plan_of(folder, TAG, promote="false", existing=ExistingImages(images=(there,), tags=tags))
    assert forced.decision.kind == "build"


def test_an_environment_straight_from_the_lock_is_published_before_the_build(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, environment_builder="auto", builder="mine")
    assert (plan.way.kind, plan.makes_environment, plan.reuses_environment) == ("direct", True, False)
    assert purposes(plan) == ["prepare-check", "check-environment", "push"]
    made = f"ghcr.io/lab/study:env-default-{plan.definition.environment_fingerprint.short}"
    assert str(plan.environment_image) == made
    assert [str(tag) for tag in plan.environment_tags] == [made, "ghcr.io/lab/study:env-default"]
    assert [words_after("--build-context", command.argv) for command in plan.commands.all] == [
        [f"environment=docker-image://{plan.definition.bases.runtime}"],
        *[["environment=docker-image://ghcr.io/lab/study@$ENVIRONMENT"]] * 2,
    ]
    digest = f"sha256:{'e' * 64}"
    (*_, push) = plan.commands.on_environment(digest).all
    assert words_after("--build-context", push.argv) == [f"environment=docker-image://ghcr.io/lab/study@{digest}"]
    assert [command.purpose for command in plan.docker_commands.all] == ["push-environment", "push"]
    assert not any(words_after("--build-context", command.argv) for command in plan.docker_commands.all)
    assert "installed    straight from the lock" in plan.as_text().splitlines()


@pytest.mark.parametrize(("event", "reuse"), [(PULL_REQUEST, "true"), (PUSH, "false")])
def test_an_environment_that_is_not_published_lies_in_a_folder(folder: Folder, event: Event, reuse: str) -> None:
    plan = plan_of(folder, event, environment_builder="auto", reuse_environment=reuse)
    assert plan.makes_environment
    assert (plan.environment_image, plan.environment_tags) == (None, ())
    preparing, *others = plan.commands.all
    assert words_after("--build-context", preparing.argv) == [
        f"environment=docker-image://{plan.definition.bases.runtime}"
    ]
    for command in others:
        context = "environment=oci-layout://$WORK/environment@$ENVIRONMENT"
        assert words_after("--build-context", command.argv) == [context]


@pytest.mark.parametrize(
    "kind",
    [BuilderKind(), BuilderKind(driver="docker"), BuilderKind(driver="docker", annotations=False)],
)
@pytest.mark.parametrize(
    ("event", "texts", "does_without"),
    [
        (PUSH, {}, True),
        (PUSH, {"test_command": "true"}, False),
        (PUSH, {"instructions": "RUN true"}, False),
        (PUSH, {"reuse_environment": "false"}, False),
        (PUSH, {"builder": "mine"}, False),
        (PUSH, {"builder": "default"}, False),
        (PUSH, {"nodes": "linux/amd64=tcp://a:1"}, False),
        (PULL_REQUEST, {}, False),
    ],
)
def test_a_push_needs_a_builder_for_what_has_to_run_alone_unless_one_is_named(
    folder: Folder, event: Event, texts: dict[str, str], kind: BuilderKind, does_without: bool
) -> None:
    given = {"environment_builder": "auto", **texts}
    plan = plan_of(folder, event, kind=kind, existing=None, keep=False, **given)
    assert plan.without_builder == does_without
    if not does_without:
        assert "assembled" not in plan.as_text()
        return
    assert purposes(plan) == ["prepare-check", "check-environment"]
    assert plan.docker_commands.push, "if it turns out that only Pixi can install the environment"
    assert "assembled    without a builder" in plan.as_text()
    assert plan.annotations, "even if the builder has none"
    assert bool(words_after("--annotation", plan.docker_commands.push.argv)) == kind.annotations
    there = ExistingImages(environment=plan.environment_image)
    again = plan_of(folder, event, kind=kind, existing=there, keep=False, **given)
    assert (again.without_builder, again.commands.all) == (True, ())


@pytest.mark.parametrize("texts", [{}, {"test_command": "true"}])
def test_what_emulation_costs_is_said_where_anything_runs_under_it(folder: Folder, texts: dict[str, str]) -> None:
    kind = BuilderKind(platform="linux/arm64", emulation="tonistiigi/binfmt:1")
    given = {"environment_builder": "auto", **texts}
    plan = plan_of(folder, PUSH, kind=kind, existing=None, keep=False, **given)
    assert plan.commands.emulate
    assert [note for note in plan.notes if "run under QEMU" in note]
    there = ExistingImages(environment=plan.environment_image)
    again = plan_of(folder, PUSH, kind=kind, existing=there, keep=False, **given)
    assert bool(again.commands.emulate) == bool(texts), "nothing has to run"
    assert bool([note for note in again.notes if "run under QEMU" in note]) == bool(texts)


def test_where_a_builder_takes_no_folder_the_environment_is_built(folder: Folder) -> None:
    builder = BuilderKind(driver="docker", annotations=False)
    plan = plan_of(folder, PULL_REQUEST, environment_builder="auto", kind=builder)
    assert plan.way == EnvironmentWay("docker", "this engine's own builder cannot take an image from a folder")
    assert purposes(plan) == ["build"]
    assert not words_after("--build-context", plan.commands.all[0].argv)
    assert plan_of(folder, PUSH, environment_builder="auto", kind=builder).way.is_direct


def test_what_only_docker_makes_is_planned_so_and_says_why(folder: Folder) -> None:
    plan = plan_of(folder, PUSH)
    assert plan.way == EnvironmentWay("docker", "'environment-builder' is 'docker'")
    assert not plan.makes_environment
    assert plan.docker_commands.all == ()
    assert plan.as_json()["environment_way"] == "docker"
    assert plan.as_json()["environment_way_reason"] == "'environment-builder' is 'docker'"


def test_reusing_nothing_is_a_choice(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, reuse_environment="false")
    assert purposes(plan) == ["push"]
    assert plan.environment_image is None


@pytest.mark.parametrize("push", ["auto", "false"])
@pytest.mark.parametrize(
    "event",
    [
        PULL_REQUEST,
        replace(PULL_REQUEST, name="pull_request_target", ref="refs/heads/main"),
        replace(PUSH, name="merge_group"),
        replace(PUSH, name="workflow_run"),
    ],
    ids=lambda event: event.name,
)
def test_what_is_not_safe_never_pushes(folder: Folder, event: Event, push: str) -> None:
    plan = plan_of(folder, event, push=push)
    assert not plan.push
    assert plan.commands.push is plan.commands.push_environment is None
    assert [outputs_of(command) for command in plan.commands.all] == [["type=cacheonly"]]
    assert Report(plan=plan).outputs()["pushed"] == "false"


def test_push_false_holds_on_a_push(folder: Folder) -> None:
    assert plan_of(folder, PUSH, push="false").commands.push is None


def test_the_tags_of_the_usual_workflow(folder: Folder) -> None:
    tags = "type=raw,value=noble-cuda-12.9\ntype=raw,value=latest\ntype=semver,pattern={{version}}\n"
    tags += "type=semver,pattern={{major}}.{{minor}}"

    def names(event: Event) -> set[str]:
        return {tag.rpartition(":")[2] for tag in plan_of(folder, event, environment="gpu", tags=tags).tags}

    assert names(PUSH) == {"noble-cuda-12.9", "latest"}
    assert names(TAG) == {"noble-cuda-12.9", "latest", "1.2.3", "1.2"}
    assert names(replace(TAG, name="release")) == {"noble-cuda-12.9", "latest", "1.2.3", "1.2"}


def test_what_an_entry_does_not_give_is_noted(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, labels="no value here", tags="type=sha\ntype=semver,pattern={{version}}")
    assert plan.notes == ("input 'labels', line 1: 'no value here' is not key=value and is ignored",)


def test_expressions_of_the_workspace_are_known(folder: Folder) -> None:
    plan = plan_of(
        folder, PUSH, environment="gpu", tags="type=raw,value={{environment}}-{{base}}-cuda-{{cuda}}-{{pixi}}"
    )
    assert plan.tags == (f"ghcr.io/lab/study:gpu-noble-cuda-12-{DEFAULT_PIXI}",)


def test_no_tag_on_a_pushing_event_is_an_error(folder: Folder) -> None:
    with pytest.raises(UserError, match="gives no tag") as caught:
        plan_of(folder, PUSH, tags="type=semver,pattern={{version}}")
    assert "type=sha" in caught.value.hint
    assert plan_of(folder, PULL_REQUEST, tags="type=semver,pattern={{version}}").tags == ()


def test_without_a_repository_an_image_name_is_needed_to_push(folder: Folder) -> None:
    with pytest.raises(UserError, match="no image name is set"):
        plan_of(folder, replace(PUSH, repository=""))


def test_a_users_test_runs_as_the_image_says(folder: Folder) -> None:
    test = plan_of(folder, PUSH, test_command="pytest -q\nruff check").commands.test
    assert test
    entrypoint, image = ("--entrypoint", "/app/entrypoint.sh"), test.argv[7]
    assert test.argv[5:] == (*entrypoint, image, "bash", "-euo", "pipefail", "-c", "pytest -q\nruff check")


def test_annotations_only_where_the_builder_takes_them(folder: Folder) -> None:
    with_them = plan_of(folder, PUSH).commands.push
    assert with_them
    given = words_after("--annotation", with_them.argv)
    assert given
    assert all(annotation.startswith("manifest:") for annotation in given)
    without = plan_of(folder, PUSH, kind=BuilderKind(annotations=False)).commands.push
    assert without
    assert "--annotation" not in without.argv


def test_keeping_loads_the_image_under_its_tags(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, keep=True, push="false")
    assert plan.commands.build
    assert words_after("--tag", plan.commands.build.argv) == [plan.local_image, *plan.tags]


def test_what_nobody_asked_for_is_known_beforehand(folder: Folder) -> None:
    own = BuilderKind(driver="docker")
    plan = plan_of(folder, PUSH, kind=own)
    # What the engine's own builder pushes stays in the engine, and only that of this builder.
    assert plan.leftover_images == tuple(map(str, (*plan.published_tags, *plan.environment_tags)))
    assert plan_of(folder, PUSH).leftover_images == ()
    tested = plan_of(folder, PUSH, test_command="true")
    assert tested.leftover_images == (tested.local_image,)
    kept = plan_of(folder, PUSH, keep=True, push="false", kind=own)
    assert kept.leftover_images == (kept.local_image,)


def test_an_image_without_a_tag_is_kept_under_the_name_that_the_report_has(folder: Folder) -> None:
    plan = plan_of(folder, Event(name=LOCAL), keep=True, push="false", test_command="true")
    assert plan.tags == plan.leftover_images == ()
    assert Report(plan=plan).text().splitlines()[-1].endswith(plan.local_image)


def test_included_files_that_git_lfs_did_not_fetch_are_told(folder: Folder) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5000000\n"
    folder.write("src/small.csv", "version,b\n")
    folder.write("src/about-lfs.md", pointer + "more than a pointer can have\n" * 50)
    folder.write("tests/not-included.bin", pointer)
    assert plan_of(folder, PUSH).notes == ()
    folder.write("src/model.bin", pointer)
    (note,) = plan_of(folder, PUSH).notes
    assert note.startswith("'src/model.bin' is a Git LFS pointer, not the file itself")
    assert "lfs: true" in note
    folder.write("src/data/table.bin", pointer)
    (note,) = plan_of(folder, PUSH).notes
    assert note.startswith("'src/data/table.bin' and 1 more included files are Git LFS pointers")
    folder.write(".dockerignore", "**/*.bin\n")
    assert plan_of(folder, PUSH).notes == ()


def test_two_builds_of_a_commit_have_one_date(folder: Folder) -> None:
    plan = plan_of(folder, PUSH)
    assert plan.commands.push
    epoch = int(DATE.timestamp())
    output = f"type=registry,oci-mediatypes=true,compression=gzip,source-date-epoch={epoch}"
    assert words_after("--output", plan.commands.push.argv) == [output]
    assert dict(plan.labels)["org.opencontainers.image.created"] == "2026-01-02T03:04:05.000Z"
    assert plan == plan_of(folder, PUSH)


def test_no_secret_is_part_of_a_plan(folder: Folder) -> None:
    plan = plan_of(
        folder,
        PUSH,
        password="hunter2",
        username="me",
        github_token="hunter3",
        registry_auth="registry=r.io,username=u,password=hunter4",
    )
    assert "hunter" not in json.dumps(plan.as_json()) + plan.as_text() + Report(plan=plan).summary()


def test_credentials_go_to_the_registry_they_are_for() -> None:
    images = [parse_reference(name, source="test") for name in ("ghcr.io/lab/a", "quay.io/lab/a", "ghcr.io/lab/b")]
    token = Inputs(github_token="t")
    assert push_credentials(PUSH, token, images) == (Credential(registry="ghcr.io", username="me", password="t"),)
    pair = replace(
        token,
        username="u",
        password="p",
        credentials=(Credential(registry="quay.io", username="q", password="r"),),
    )
    assert push_credentials(PUSH, pair, images) == (
        Credential(registry="ghcr.io", username="u", password="p"),
        Credential(registry="quay.io", username="q", password="r"),
    )
    with pytest.raises(UserError, match="but no user name"):
        push_credentials(PUSH, Inputs(password="p"), images)


def test_the_report_names_what_was_pushed(folder: Folder) -> None:
    there = PublishedImage("sha256:" + "1" * 64, "sha256:" + "2" * 64, (1_000_000, 500_000))
    report = Report(plan=plan_of(folder, PUSH), published=there)
    outputs = report.outputs()
    assert outputs.keys() == OUTPUTS.keys()
    assert outputs["pushed"] == "true"
    assert outputs["image"] == "ghcr.io/lab/study@sha256:" + "1" * 64
    assert outputs["tags"].splitlines()[0] == "ghcr.io/lab/study:main"
    assert json.loads(outputs["json"])["tags"] == outputs["tags"].splitlines()
    assert json.loads(outputs["metadata"])["environment"] == "default"
    assert "FROM " in outputs["dockerfile"]
    for text in (report.text(), report.summary()):
        assert outputs["image"] in text
        assert "1.5 MB compressed in 2 layers" in text


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ('["python", "src/main.py"]', "/app/src/main.py"),
        ('["./src/main.py"]', "/app/src/main.py"),
        ('["python", "/app/src/main.py"]', ""),
        ('["python", "-m", "main"]', ""),
        ('["src-tool"]', ""),
    ],
)
def test_a_file_of_the_command_is_named_from_the_root(folder: Folder, command: str, file: str) -> None:
    notes = [
        note
        for note in plan_of(folder, PUSH, command=command).notes
        if "Apptainer starts in another folder" in note
    ]
    assert [f"write '{file}'" in note for note in notes] == ([True] if file else [])


def test_a_person_reads_the_plan_line_by_line(folder: Folder) -> None:
    plan = plan_of(folder, TAG, environment="gpu", environment_builder="auto")
    definition = plan.definition
    lines = [
        "decision     build: a test asks for it, and the registry has no image of this state",
        "changes      a test asks for it",
        f"environment  gpu on linux/amd64, published as {plan.environment_image}",
        f"packages     2 from conda (30 MB to download), in {definition.layers} layers",
        "installed    straight from the lock",
        "assembled    without a builder",
        f"cuda         12 ({definition.workspace.cuda_source})",
        f"pixi         {DEFAULT_PIXI} ({definition.bases.pixi_reason})",
        f"builder      {definition.bases.builder}",
        f"runtime      {definition.bases.runtime}",
        f"fingerprint  {definition.fingerprint.short}, environment {definition.environment_fingerprint.short}",
        "version      1.2.3",
        "tag          ghcr.io/lab/study:1.2.3",
        "tag          ghcr.io/lab/study:1.2",
        "tag          ghcr.io/lab/study:sha-0123456",
        "tag          ghcr.io/lab/study:latest",
    ]
    text = plan.as_text().splitlines()
    assert text[: len(lines)] == lines
    assert [line.split()[0] for line in text[len(lines) :]] == ["prepare-check", "check-environment"]


def test_the_summary_is_a_table_and_how_to_use_the_image(folder: Folder) -> None:
    there = PublishedImage("sha256:" + "1" * 64, "sha256:" + "2" * 64, (1_000_000, 500_000))
    plan = plan_of(folder, TAG, environment="gpu")
    report = Report(plan=plan, published=there, notes=("not run: because",))
    lines = report.summary().splitlines()
    assert lines[:14] == [
        "### Container image of <code>gpu</code>",
        "",
        "| | |",
        "|---|---|",
        "| Decision | build: a test asks for it&#44; and the registry has no image of this state |",
        "| Changes | a test asks for it |",
        "| Environment | <code>gpu</code> on <code>linux/amd64</code>, 2 packages, installed by Pixi in the build |",  # noqa: E501
        f"| Environment image | <code>{plan.environment_image}</code>, published |",
        f"| Built with | pixi {DEFAULT_PIXI}&#44; CUDA 12 |",
        f"| Tags | {'<br>'.join(f'<code>{tag}</code>' for tag in plan.tags)} |",
        f"| Digest | <code>{there.digest}</code> |",
        "| Size | 1.5 MB compressed in 2 layers |",
        "| Note | not run: because |",
        "",
    ]
    assert lines[14:28] == [
        "```sh",
        f"docker pull {report.image}",
        f"apptainer pull docker://{report.image}",
        "```",
        "",
        "HTCondor:",
        "",
        "```ini",
        "universe = container",
        f"container_image = docker://{report.image}",
        "```",
        "",
        "<details><summary>Dockerfile</summary>",
        "",
    ]
    assert lines[-1] == "</details>"


def test_tags_of_ours_are_cut_to_what_a_registry_takes(folder: Folder) -> None:
    definition = plan_of(folder, PUSH).definition
    longest = replace(definition, workspace=replace(definition.workspace, environment="e" * 81))
    assert longest.moving_environment_tag == f"env-{'e' * 80}"
    assert longest.environment_tag == f"env-{'e' * 80}-{definition.environment_fingerprint.short}"
    assert longest.image_tag == f"img-{'e' * 80}-{definition.fingerprint.short}"


def test_a_plan_of_several_environments_names_all(folder: Folder) -> None:
    plan = plan_of(folder, PUSH, environment="default, gpu", environment_builder="direct")
    text = plan.as_text()
    assert "\nenvironments default, gpu on linux/amd64, published as" in text
    assert "\npackages     1 from conda (30 MB to download), in 5 layers\n" in text
    assert "\ngpu:         2 from conda (30 MB to download)\n" in text
    assert plan.as_json()["more_environments"] == [
        {"environment": "gpu", "conda_packages": 2, "pypi_packages": 0, "download_size": 30_020_000}
    ]

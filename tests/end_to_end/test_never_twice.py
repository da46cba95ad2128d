"""What each event costs, with a real repository, GitHub's limits and a real registry: skip, promote or build."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Outcome, image_name
from tests.end_to_end.project import Project
from tests.end_to_end.test_own_source import FILES as OWN_PACKAGES
from tests.rig import solve
from tests.rig.github import NOTHING, Repository, github_for
from tests.rig.rig import Rig

MADE = "::group::Make the environment"
MANIFEST = """\
[workspace]
name = "study"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
tzdata = "*"

[activation]
scripts = ["scripts/env.sh"]
"""
STUDY = {
    "README.md": "A study.\n",
    "data/table.csv": "1\n",
    "study/README.md": "The workspace.\n",
    "study/pixi.toml": MANIFEST,
    "study/src/main.sh": "echo hello\n",
    "study/scripts/env.sh": "export STUDY=1\n",
    "study/.dockerignore": "*.tmp\n",
    "other/pixi.toml": MANIFEST.replace("study", "other").partition("[activation]")[0],
    "other/src/main.sh": "echo other\n",
    ".github/workflows/ship.yml": "on: push\n",
}


@pytest.fixture(scope="session")
def locked(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a repository with two workspaces, the locks among them."""
    return with_locks(STUDY, rig, tmp_path_factory.mktemp("locked"))


def with_locks(files: Mapping[str, str], rig: Rig, folder: Path) -> dict[str, str]:
    """Add a lock to every workspace among the files."""
    made = dict(files)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("study/pixi.toml", "study/pyproject.toml", "other/pixi.toml"):
        if name in files:
            solve.lock(folder / name, channel=rig.channel)
            lock = Path(name).with_name("pixi.lock")
            made[str(lock)] = (folder / lock).read_text()
    shutil.rmtree(folder)
    return made


@pytest.fixture
def empty(rig: Rig, tmp_path: Path, clean_engine: None, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A repository without a commit."""
    repository = Repository.create(tmp_path / "origin.git", "lab/study")
    with github_for(repository) as github:
        yield Project(github, rig, tmp_path / "runner", image_name(request.node.name))


@pytest.fixture
def project(empty: Project, locked: dict[str, str]) -> Project:
    """The repository after its first push, whose image is on the registry."""
    decided(empty.push(locked), "build", "first push of branch main")
    return empty


def decided(outcome: Outcome, decision: str, *reasons: str) -> Outcome:
    """What was done, and that the reason says why."""
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["decision"] == decision, outcome.outputs["reason"]
    for reason in reasons:
        assert reason in outcome.outputs["reason"]
    is_made = "buildx build" in outcome.log or "\nPush: done in" in outcome.log
    assert is_made == (decision == "build")
    return outcome


def head(project: Project, revision: str = "refs/heads/main") -> str:
    """Seven digits of a commit's id."""
    return project.github.repository.commit_id(revision)[:7]


def test_the_first_push_of_all(project: Project) -> None:
    first = head(project)
    assert project.tags() == {"main": first, "latest": first, f"sha-{first}": first}
    assert len(project.ours("env")) == len(project.ours("img")) == 1


def test_a_push_of_nothing_new(project: Project) -> None:
    first = head(project)
    outcome = decided(project.push(), "skip", "no relevant file changed")
    assert outcome.outputs["changed"] == "false"
    assert project.tags() == {
        "main": first,
        "latest": first,
        f"sha-{first}": first,
        f"sha-{head(project)}": first,
    }


@pytest.mark.parametrize(
    "files",
    [
        {"study/README.md": "Read me.\n", "README.md": "Read me.\n", "src/main.sh": "not the workspace's\n"},
        {"other/pixi.toml": MANIFEST, "pixi.toml": MANIFEST, "study2/pixi.toml": "[workspace]\n"},
        {"data/new file ünï\n.csv": "2\n", "data/table.csv": None, "other/src/main.sh": "echo more\n"},
    ],
    ids=lambda files: json.dumps(next(iter(files))),
)
def test_what_the_image_does_not_depend_on(project: Project, files: dict[str, str | bytes | None]) -> None:
    first = head(project)
    outcome = decided(project.push(files), "skip", "no relevant file changed")
    assert json.loads(outcome.outputs["changed-files"]) == []
    assert project.tags() == {
        "main": first,
        "latest": first,
        f"sha-{first}": first,
        f"sha-{head(project)}": first,
    }


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"study/src/main.sh": "echo goodbye\n"}, "src/main.sh"),
        ({"study/src/main.sh": None, "study/src/a file ünï.sh": "echo hello\n"}, "src/main.sh"),
        ({"study/.dockerignore": "*.tmp\n*.bak\n"}, ".dockerignore"),
        ({"study/scripts/env.sh": "export STUDY=2\n"}, "scripts/env.sh"),
        ({"study/pixi.toml": MANIFEST + "\n[tasks]\nrun = 'sh src/main.sh'\n"}, "pixi.toml"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_what_the_image_depends_on(project: Project, files: dict[str, str | bytes | None], changed: str) -> None:
    first = head(project)
    outcome = decided(project.push(files), "build", "changed since " + first)
    assert changed in json.loads(outcome.outputs["changed-files"])
    assert outcome.outputs["changes-source"] == "git"
    assert outcome.outputs["base"][:7] == first
    second = head(project)
    assert project.tags() == {"main": second, "latest": second, f"sha-{first}": first, f"sha-{second}": second}
    reused = "scripts" not in changed
    assert len(project.ours("env")) == (1 if reused else 2)
    assert (MADE not in outcome.log) == reused


def test_an_executable_bit_and_a_link(project: Project) -> None:
    repository, first = project.github.repository, head(project)
    before = repository.commit_id("refs/heads/main")
    after = repository.commit({"study/src/main.sh": "echo hello\n"}, modes={"study/src/main.sh": "100755"})
    decided(project.pushed(before, after), "build", "src/main.sh changed since " + first)
    again = repository.commit({"study/src/link": "main.sh"}, modes={"study/src/link": "120000"})
    decided(project.pushed(after, again), "build", "src/link changed")


def test_paths_of_ones_own(project: Project) -> None:
    """They only make a push ask again: what the image is made of is as it was."""
    first = head(project)
    paths = "../data/**\n!../data/*.md"
    decided(project.push({"data/notes.md": "1\n"}, paths=paths), "skip")
    outcome = decided(project.push({"data/table.csv": "2\n"}, paths=paths), "promote", "the same inputs")
    assert json.loads(outcome.outputs["changed-files"]) == ["../data/table.csv"]
    assert set(project.tags().values()) == {first}


def test_the_running_workflow_counts(project: Project) -> None:
    outcome = decided(project.push({".github/workflows/ship.yml": "on: [push]\n"}), "promote")
    assert json.loads(outcome.outputs["changed-files"]) == ["../.github/workflows/ship.yml"]


def test_another_choice_of_the_user_builds_though_no_file_changed(project: Project) -> None:
    first = head(project)
    decided(project.push(expose="8000"), "build", "no relevant file changed", "settings")
    second = head(project)
    assert project.tags()["main"] == second != first
    assert len(project.ours("env")) == 1


def test_a_revert_to_a_state_built_before(project: Project) -> None:
    first = head(project)
    digest = project.digests()["main"]
    decided(project.push({"study/src/main.sh": "echo goodbye\n"}), "build")
    second = head(project)
    decided(project.push({"study/src/main.sh": STUDY["study/src/main.sh"]}), "promote", digest[:19])
    third = head(project)
    assert project.digests()["main"] == project.digests()["latest"] == digest
    assert project.tags() == {
        **dict.fromkeys(("main", "latest", f"sha-{first}", f"sha-{third}"), first),
        f"sha-{second}": second,
    }


def test_a_forced_push_compares_what_was_with_what_is(project: Project) -> None:
    repository, first = project.github.repository, head(project)
    before = repository.commit_id("refs/heads/main")
    decided(project.push({"study/src/main.sh": "echo goodbye\n"}), "build")
    gone = repository.commit_id("refs/heads/main")
    rewritten = repository.commit({"README.md": "Read me.\n"}, branch="rewritten", parents=[before])
    outcome = decided(project.pushed(gone, rewritten), "promote", "the same inputs")
    assert json.loads(outcome.outputs["changed-files"]) == ["src/main.sh"]
    assert project.tags()["main"] == first


def test_the_commit_before_is_gone(project: Project) -> None:
    repository, first = project.github.repository, head(project)
    before = repository.commit_id("refs/heads/main")
    lost = repository.commit({"study/src/main.sh": "echo lost\n"})
    rewritten = repository.commit({"README.md": "Read me.\n"}, branch="rewritten", parents=[before])
    repository.git("update-ref", "refs/heads/main", rewritten)
    repository.collect_garbage()
    payload = project.github.push_event(before=before, after=rewritten) | {"before": lost, "forced": True}
    outcome = project.run("push", "refs/heads/main", rewritten, payload)
    decided(outcome, "promote")
    assert "no longer has the commit" in outcome.log
    assert outcome.outputs["changed"] == "true"
    assert project.tags()["main"] == first


def test_a_new_branch_is_compared_with_the_default_branch(project: Project) -> None:
    repository, first = project.github.repository, head(project)
    main = repository.commit_id("refs/heads/main")
    outcome = decided(project.pushed(NOTHING, main, "calm"), "skip", "is up to date under every tag")
    assert outcome.outputs["base"] == main
    work = repository.commit({"study/src/main.sh": "echo work\n"}, branch="work", parents=[main])
    outcome = decided(project.pushed(NOTHING, work, "work"), "build", "src/main.sh changed")
    assert project.tags() == {
        **dict.fromkeys(("main", "latest", f"sha-{first}"), first),
        f"sha-{work[:7]}": work[:7],
    }


def test_a_merge_of_what_a_branch_has_built_promotes(project: Project) -> None:
    repository = project.github.repository
    main = repository.commit_id("refs/heads/main")
    work = repository.commit({"study/src/main.sh": "echo work\n"}, branch="work", parents=[main])
    decided(project.pushed(NOTHING, work, "work"), "build")
    decided(project.pushed(main, work), "promote")
    assert project.tags()["main"] == project.tags()["latest"] == work[:7]


def test_a_tag_on_a_commit_that_is_built(project: Project) -> None:
    first, digest = head(project), project.digests()["main"]
    decided(project.tagged("v1.2.3"), "promote", "the same inputs")
    assert project.tags() == dict.fromkeys(("main", "latest", f"sha-{first}", "1.2.3", "1.2"), first)
    assert set(project.digests().values()) == {digest}


def test_a_release_of_a_tag_finds_its_tags_done(project: Project) -> None:
    decided(project.tagged("v1.2.3"), "promote")
    outcome = decided(project.tagged("v1.2.3", event="release"), "skip", "is up to date under every tag")
    assert outcome.outputs["pushed"] == "true"


def test_two_tags_in_a_row(project: Project) -> None:
    first = head(project)
    decided(project.tagged("v1.0.0"), "promote")
    decided(project.tagged("v1.0.1"), "promote")
    assert project.tags() == dict.fromkeys(("main", "latest", f"sha-{first}", "1.0.0", "1.0.1", "1.0"), first)


def test_a_tag_on_an_old_commit(project: Project) -> None:
    first, old = head(project), project.github.repository.commit_id("refs/heads/main")
    decided(project.push({"study/src/main.sh": "echo goodbye\n"}), "build")
    second = head(project)
    decided(project.tagged("v2.0.0"), "promote")
    decided(project.tagged("v1.9.0", old), "promote")
    tags = project.tags()
    assert tags["1.9.0"] == tags["1.9"] == first
    assert tags["2.0.0"] == tags["latest"] == tags["main"] == second


def test_a_tag_on_a_commit_that_was_never_built(project: Project) -> None:
    project.commit({"study/src/main.sh": "echo unseen\n"})
    decided(project.tagged("v1.0.0"), "build", "tag v1.0.0 is always shipped", "differs in: included files")
    assert project.tags()["1.0.0"] == head(project)


def test_a_tag_on_a_commit_that_was_skipped(project: Project) -> None:
    first = head(project)
    decided(project.push({"README.md": "Read me.\n"}), "skip")
    decided(project.tagged("v1.0.0"), "promote")
    assert project.tags()["1.0.0"] == first


def test_a_tag_on_another_content_than_what_is_latest(project: Project) -> None:
    decided(project.tagged("v1.0.0", test_command="true"), "build", "differs in: test")


@pytest.mark.parametrize("event", ["workflow_dispatch", "schedule", "repository_dispatch"])
def test_what_is_started_by_hand_or_by_the_clock(project: Project, event: str) -> None:
    decided(project.started(event), "skip", "is up to date under every tag")
    decided(project.started(event, skip_unchanged="false"), "promote")
    decided(project.started(event, promote="false", skip_unchanged="false"), "build", "'promote' is false")
    assert set(project.tags()) == {"main", "latest", f"sha-{head(project)}"}


@pytest.mark.parametrize("fork", [False, True])
def test_a_pull_request_uses_the_environment_and_pushes_nothing(project: Project, *, fork: bool) -> None:
    before = project.digests() | {"ours": "".join(project.ours("env") + project.ours("img"))}
    main = project.github.repository.commit_id("refs/heads/main")
    work = project.github.repository.commit({"study/src/main.sh": "echo work\n"}, branch="work", parents=[main])
    # What the base branch got meanwhile is not the pull request's.
    project.commit({"study/src/other.sh": "echo meanwhile\n"})
    outcome = decided(project.requested(work, fork=fork), "build", "src/main.sh changed", "never pushes")
    assert json.loads(outcome.outputs["changed-files"]) == ["src/main.sh"]
    assert outcome.outputs["pushed"] == "false"
    assert "--build-context environment=docker-image://" in outcome.log
    assert project.digests() | {"ours": "".join(project.ours("env") + project.ours("img"))} == before


def test_a_pull_request_that_changes_nothing_that_matters(project: Project) -> None:
    main = project.github.repository.commit_id("refs/heads/main")
    work = project.github.repository.commit({"README.md": "Read me.\n"}, branch="work", parents=[main])
    outcome = decided(project.requested(work), "skip", "no relevant file changed")
    assert outcome.outputs["pushed"] == "false"
    decided(project.requested(work, skip_unchanged="false"), "build", "'skip-unchanged' is false")


def test_a_pull_request_of_a_new_environment_publishes_none(project: Project, locked: dict[str, str]) -> None:
    main = project.github.repository.commit_id("refs/heads/main")
    change = {"study/pixi.toml": MANIFEST.replace('name = "study"', 'name = "renamed"')}
    work = project.github.repository.commit(change, branch="work", parents=[main])
    outcome = decided(project.requested(work), "build")
    assert MADE in outcome.log
    assert outcome.outputs["environment-image"] == ""
    assert len(project.ours("env")) == 1


def test_pull_request_target_asks_the_api_and_fetches_nothing(project: Project) -> None:
    github = project.github
    main = github.repository.commit_id("refs/heads/main")
    work = github.repository.commit({"study/src/main.sh": "echo work\n"}, branch="work", parents=[main])
    github.requests.clear()
    outcome = project.requested(work, fork=True, event="pull_request_target")
    decided(outcome, "build", "src/main.sh changed", "never pushes")
    assert outcome.outputs["changes-source"] == "github"
    assert not [request for request in github.requests if "upload-pack" in request]


def test_a_pull_request_larger_than_the_api_lists(project: Project) -> None:
    github = project.github
    main = github.repository.commit_id("refs/heads/main")
    many = {f"docs/{number}.md": "" for number in range(3001)}
    work = github.repository.commit(many, branch="work", parents=[main])
    outcome = project.requested(work, event="pull_request_target")
    decided(outcome, "build", "3000 of the pull request's 3001 files")
    assert outcome.outputs["changed"] == "true"


@pytest.mark.parametrize(
    ("files", "decision"), [({"README.md": "1\n"}, "skip"), ({"study/src/main.sh": "1\n"}, "build")]
)
def test_a_merge_queue(project: Project, files: dict[str, str | bytes | None], decision: str) -> None:
    github, before = project.github, project.digests()
    main = github.repository.commit_id("refs/heads/main")
    queued = github.repository.commit(files, branch="gh-readonly-queue/main/pr-1", parents=[main])
    payload = github.merge_group_event(base_sha=main, head_sha=queued)
    decided(project.run("merge_group", payload["merge_group"]["head_ref"], queued, payload), decision)
    assert project.digests() == before


def test_an_event_that_nobody_knows(project: Project) -> None:
    before = project.digests()
    outcome = decided(project.started("workflow_run"), "build", "not known to be safe")
    assert "::warning::the event 'workflow_run' is not known to be safe" in outcome.log
    assert project.digests() == before


def test_git_has_no_access_and_the_api_answers(project: Project) -> None:
    first = head(project)
    project.github.git_is_down = True
    outcome = decided(project.push({"README.md": "Read me.\n"}), "skip")
    assert outcome.outputs["changes-source"] == "github"
    assert project.tags()[f"sha-{head(project)}"] == first


def test_the_api_tells_of_300_files_at_most(project: Project) -> None:
    project.github.git_is_down = True
    many: dict[str, str | bytes | None] = {f"docs/{number}.md": "" for number in range(301)}
    outcome = decided(project.push(many), "promote", "the same inputs")
    assert "GitHub lists at most 300 changed files" in outcome.log
    assert outcome.outputs["changed"] == "true"


def test_the_api_cannot_show_a_rewritten_history(project: Project) -> None:
    repository = project.github.repository
    main = repository.commit_id("refs/heads/main")
    one = repository.commit({"study/src/main.sh": "echo one\n"})
    decided(project.pushed(main, one), "build")
    two = repository.commit({"README.md": "Read me.\n"}, branch="two", parents=[main])
    project.github.git_is_down = True
    outcome = decided(project.pushed(one, two), "promote")
    assert "the history was rewritten" in outcome.log
    assert project.tags()["main"] == main[:7]


@pytest.mark.parametrize("trouble", ["outage", "rate limit", "bad credentials"])
def test_nobody_says_what_changed(project: Project, trouble: str) -> None:
    """Everything counts as changed; that the image is there already is still seen."""
    project.github.git_is_down = True
    if trouble == "outage":
        project.github.api_is_down = True
    elif trouble == "rate limit":
        project.github.rate_limit_remaining = 0
    else:
        project.github.token = "right"
        project.env["INPUT_GITHUB_TOKEN"] = "wrong"
    outcome = decided(project.push({"README.md": "Read me.\n"}), "promote")
    assert outcome.outputs["changed"] == "true"
    main = project.github.repository.commit_id("refs/heads/main")
    work = project.github.repository.commit({"README.md": "More.\n"}, branch="work", parents=[main])
    decided(project.requested(work), "build", "everything counts as changed")


def test_a_private_repository(project: Project) -> None:
    project.github.token = "s3cr3t-token"
    outcome = decided(project.push({"README.md": "Read me.\n"}), "skip")
    assert outcome.outputs["changes-source"] == "git"
    assert "s3cr3t-token" not in outcome.log.replace("::add-mask::s3cr3t-token", "")


def test_the_image_was_deleted(project: Project) -> None:
    project.delete("main")
    assert project.tags() == {}
    outcome = decided(project.push({"README.md": "Read me.\n"}), "build", "no image of this state")
    assert ", reused from " in outcome.log
    assert set(project.tags()) == {"main", "latest", f"sha-{head(project)}"}


def test_the_environments_image_was_deleted(project: Project) -> None:
    (environment,) = project.ours("env")
    project.delete(environment)
    decided(project.push({"README.md": "Read me.\n"}), "skip")
    assert project.ours("env") == []
    outcome = decided(project.push({"study/src/main.sh": "echo goodbye\n"}), "build")
    assert MADE in outcome.log
    assert project.ours("env") == [environment]


def test_the_run_before_failed(project: Project) -> None:
    failed = project.push({"study/src/main.sh": "echo goodbye\n"}, test_command="false")
    assert failed.code == 7
    outcome = decided(
        project.push({"README.md": "Read me.\n"}), "build", "no relevant file changed", "included files"
    )
    assert outcome.outputs["changed"] == "false"
    assert project.tags()["main"] == head(project)


def test_the_base_image_moved(project: Project, moved_base: Callable[[], None]) -> None:
    project.inputs["pixi_image"] = f"{project.rig.pixi_image}:moving-{project.image.rpartition('-')[2]}"
    moved_base()
    decided(project.push(), "build")
    moved_base()
    outcome = decided(project.push({"README.md": "Read me.\n"}), "build", "no relevant file changed", "runtime")
    assert outcome.outputs["changed"] == "false"
    assert project.tags()["main"] == head(project)
    assert len(project.ours("env")) == 3


@pytest.fixture
def moved_base(rig: Rig, empty: Project) -> Callable[[], None]:
    """Each call points the base's tag to another image."""
    made: list[str] = []

    def move() -> None:
        tag = f"{rig.pixi_image}:moving-{empty.image.rpartition('-')[2]}"
        text = f"FROM {rig.pixi_image}:noble\nLABEL number={len(made)}\n"
        folder = empty.folder / f"base {len(made)}"
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(text)
        made.append(tag)
        import os
        import subprocess

        subprocess.run(
            ["docker", "buildx", "build", "--quiet", "--push", "--tag", tag, str(folder)],
            env={**os.environ, **rig.environment()},
            check=True,
            capture_output=True,
        )

    return move


def test_a_change_in_a_path_dependency_only(empty: Project, rig: Rig, tmp_path: Path) -> None:
    files = with_locks({f"study/{name}": text for name, text in OWN_PACKAGES.items()}, rig, tmp_path / "own")
    decided(empty.push(files), "build")
    change: dict[str, str | bytes | None] = {"study/packages/tools/tools.py": "DOUBLE = 50\n"}
    outcome = decided(empty.push(change), "build", "packages/tools/tools.py changed")
    assert "--build-context environment=" in outcome.log
    assert "[build " not in outcome.log
    assert len(empty.ours("env")) == 1


def test_an_environment_that_only_differs_in_a_workspace_of_its_own(project: Project) -> None:
    """Another workspace of the repository has an image of its own name, made in the same way."""
    other = {"context": "other", "images": f"{project.rig.registry}/{project.image}-other"}
    decided(project.push({"other/src/main.sh": "echo more\n"}, **other), "build")
    decided(project.push({"study/src/main.sh": "echo goodbye\n"}, **other), "skip")


def test_a_new_name_is_built_for_and_then_each_has_its_own(project: Project) -> None:
    """What one name has is never put under another: whoever may write to one decides nothing for the rest."""
    rig, first = project.rig, head(project)
    old = project.digests()["main"]
    names = [f"{rig.registry}/{project.image}", f"{rig.registry}/{project.image}-copy"]
    names.append(f"{rig.password_registry}/{project.image}")
    auth = f"registry={rig.password_registry},username={rig.username},password={rig.password}"
    inputs = {"images": "\n".join(names), "registry_auth": auth}
    digest = decided(project.tagged("v1.0.0", **inputs), "build").outputs["digest"]
    from tests.end_to_end.conftest import registry_tags

    def copies() -> list[dict[str, str]]:
        return [
            registry_tags(rig.registry, f"{project.image}-copy"),
            registry_tags(rig.password_registry, project.image, (rig.username, rig.password)),
        ]

    expected = dict.fromkeys(("1.0.0", "1.0", "latest", f"sha-{first}"), digest)
    assert copies() == [expected, expected]
    assert project.digests() == {"main": old, **expected}
    outcome = decided(project.tagged("v1.0.1", **inputs), "promote")
    assert outcome.outputs["digest"] == digest
    expected |= dict.fromkeys(("1.0.1", "1.0"), digest)
    assert copies() == [expected, expected]


def test_a_registry_that_cannot_be_read_is_said_and_nothing_is_reused(project: Project) -> None:
    """A pull request has no credentials for it."""
    main = project.github.repository.commit_id("refs/heads/main")
    work = project.github.repository.commit({"study/src/main.sh": "echo work\n"}, branch="work", parents=[main])
    outcome = project.requested(work, images=f"{project.rig.password_registry}/{project.image}")
    decided(outcome, "build")
    assert "could not look for an environment image" in outcome.log
    assert MADE in outcome.log


def test_a_registry_that_is_down_stops_a_push_before_the_build(project: Project) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        images = f"127.0.0.1:{unused.getsockname()[1]}/{project.image}"
        outcome = project.push({"study/src/main.sh": "echo goodbye\n"}, images=images)
    assert outcome.code == 8
    assert len(outcome.errors) == 1
    assert "cannot be used" in outcome.errors[0]


def test_reuse_can_be_turned_off(project: Project) -> None:
    off = {"reuse_environment": "false"}
    outcome = decided(project.push({"study/src/main.sh": "echo goodbye\n"}, **off), "build")
    assert f"environment=docker-image://{project.rig.registry}/{project.image}" not in outcome.log
    assert outcome.outputs["environment-image"] == ""


def test_explaining_why_two_differ(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pixi_container.cli import main

    before = f"{project.rig.registry}/{project.image}:main"
    project.commit({"study/src/main.sh": "echo goodbye\n", "study/scripts/env.sh": "export STUDY=2\n"})
    project._check_out(tmp_path / "laptop", project.github.repository.commit_id("refs/heads/main"))
    import os

    arguments = ["--context", str(tmp_path / "laptop" / "study"), "--pixi-image", project.rig.pixi_image]
    arguments += ["--images", f"{project.rig.registry}/{project.image}"]
    env = {**os.environ, **project.rig.environment()}
    assert main(["plan", "--explain-against", before, "--json", *arguments], env) == 0
    assert json.loads(capsys.readouterr().out)["differences"].keys() == {"activation", "included files"}
    assert main(["plan", "--explain-against", f"{before}-absent", *arguments], env) == 3

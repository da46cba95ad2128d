"""What an event compares, and which changed files matter to the image."""

from __future__ import annotations

from typing import Any

import pytest

from pixi_container.changes.comparison import (
    Changes,
    Comparison,
    Relevance,
    assumed,
    comparison_for,
    not_consulted,
)
from pixi_container.changes.detect import running_workflow
from pixi_container.display import shown_path
from pixi_container.runner.event import LOCAL, Event

BEFORE, AFTER, MERGE = "b" * 40, "a" * 40, "e" * 40
NO_COMMIT = "0" * 40
REPOSITORY = {"default_branch": "main"}
REQUEST = {"number": 7, "changed_files": 12, "head": {"sha": AFTER}, "base": {"sha": BEFORE}}
OPTION = "--upload-pack=x"


def of(name: str, ref: str = "refs/heads/main", sha: str = AFTER, **payload: Any) -> Event:  # noqa: ANN401
    return Event(name=name, ref=ref, sha=sha, payload={"repository": REPOSITORY, **payload})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (of("push", before=BEFORE, after=AFTER), Comparison(head=AFTER, base=BEFORE)),
        (of("push", "refs/heads/side", before=BEFORE, after=AFTER), Comparison(head=AFTER, base=BEFORE)),
        (of("push", before=BEFORE), Comparison(head=AFTER, base=BEFORE)),
        (of("push", before="b" * 64, after="a" * 64), Comparison(head="a" * 64, base="b" * 64)),
        (
            of("push", before=BEFORE, after=AFTER, forced=True),
            Comparison(head=AFTER, base=BEFORE),
        ),
        (
            of("push", "refs/heads/side", before=NO_COMMIT, after=AFTER),
            Comparison(head=AFTER, base_branch="main"),
        ),
        (
            of("pull_request", "refs/pull/7/merge", MERGE, number=7, pull_request=REQUEST),
            Comparison(head=MERGE, pull_request=7, pull_request_head=AFTER, listed_files=12),
        ),
        (of("pull_request", "refs/pull/7/merge", MERGE), Comparison(head=MERGE, pull_request=7)),
        (
            of("pull_request_target", sha=MERGE, number=7, pull_request=REQUEST),
            Comparison(
                head=AFTER,
                base=BEFORE,
                pull_request=7,
                pull_request_head=AFTER,
                listed_files=12,
                only_listed=True,
            ),
        ),
        (
            of("merge_group", sha=MERGE, merge_group={"base_sha": BEFORE, "head_sha": AFTER}),
            Comparison(head=AFTER, base=BEFORE),
        ),
        (of("merge_group", sha=MERGE, merge_group={"base_sha": BEFORE}), Comparison(head=MERGE, base=BEFORE)),
    ],
    ids=[
        "push",
        "push of a side branch",
        "push without after",
        "push with SHA-256 ids",
        "forced push",
        "new branch",
        "pull_request",
        "pull_request with an empty payload",
        "pull_request_target",
        "merge_group",
        "merge_group without its head",
    ],
)
def test_an_event_says_what_it_compares(event: Event, expected: Comparison) -> None:
    assert comparison_for(event) == expected


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (of("push", before=NO_COMMIT, after=AFTER), "first push of branch main"),
        (
            Event(name="push", ref="refs/heads/x", sha=AFTER, payload={"before": NO_COMMIT}),
            "first push of branch x",
        ),
        (of("push", after=AFTER), "does not name the branch's previous commit"),
        (of("push", before=None, after=AFTER), "does not name the branch's previous commit"),
        (of("merge_group"), "does not name the merge group's base commit"),
        (of("merge_group", merge_group=[BEFORE]), "does not name the merge group's base commit"),
        (of("pull_request_target", pull_request={"head": {"sha": AFTER}}), "does not name the pull request"),
        (of("pull_request_target", number=7), "does not name the commits to compare"),
        (of("pull_request", "refs/pull/7/merge", ""), "does not name the commits to compare"),
        (of("push", before=OPTION, after=AFTER), "does not name the commits to compare"),
        (of("push", before=BEFORE, after=OPTION), "does not name the commits to compare"),
        (of("push", before=BEFORE[:39], after=AFTER), "does not name the commits to compare"),
        (of("push", before=f"{BEFORE}\n", after=AFTER), "does not name the commits to compare"),
        (of("push", before={"sha": BEFORE}, after=AFTER), "does not name the branch's previous commit"),
        (of("push", "refs/heads/side", OPTION, before=NO_COMMIT), "does not name the commits to compare"),
        (of("pull_request", "refs/pull/7/merge", OPTION, number=7), "does not name the commits to compare"),
        (
            of("merge_group", merge_group={"base_sha": OPTION, "head_sha": AFTER}),
            "does not name the commits to compare",
        ),
        (
            of("merge_group", merge_group={"base_sha": BEFORE, "head_sha": OPTION}),
            "does not name the commits to compare",
        ),
        (
            of("pull_request_target", number=7, pull_request={**REQUEST, "head": {"sha": OPTION}}),
            "does not name the commits to compare",
        ),
    ],
)
def test_where_there_is_nothing_to_compare_everything_counts_as_changed(event: Event, reason: str) -> None:
    changes = comparison_for(event)
    assert isinstance(changes, Changes)
    assert (changes.consulted, changes.known, changes.files) == (True, False, ())
    assert reason in changes.reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (of("push", "refs/tags/v1", before=NO_COMMIT, after=AFTER), "tag v1 is always shipped"),
        (of("push", "refs/tags/v1", before=BEFORE, after=AFTER, forced=True), "tag v1 is always shipped"),
        (of("release", "refs/tags/v1"), "tag v1 is always shipped"),
        (of("release", ""), "the event 'release' does not compare changes"),
        (of("schedule"), "a scheduled run does not compare changes"),
        (of("workflow_dispatch"), "a manual run does not compare changes"),
        (of("repository_dispatch"), "the event 'repository_dispatch' does not compare changes"),
        (of("workflow_run"), "the event 'workflow_run' does not compare changes"),
        (of("issue_comment"), "the event 'issue_comment' does not compare changes"),
        (of(LOCAL), "a run on this machine does not compare changes"),
    ],
    ids=lambda value: f"{value.name} {value.ref}" if isinstance(value, Event) else "",
)
def test_what_always_ships_asks_nobody(event: Event, reason: str) -> None:
    assert comparison_for(event) == not_consulted(reason)


def test_an_answer_is_told_as_json() -> None:
    assert assumed("no network", base=BEFORE, head=AFTER).as_json() == {
        "consulted": True,
        "known": False,
        "reason": "no network",
        "base": BEFORE,
        "head": AFTER,
        "source": "none",
        "files": (),
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/a b.py", "src/a b.py"),
        ("ünï.txt", "ünï.txt"),
        ("a\n::error::b", '"a\\n::error::b"'),
        ("a\x1b[2J", '"a\\u001b[2J"'),
        ("\udcff.txt", '"\\udcff.txt"'),
    ],
)
def test_a_path_is_one_line_of_a_log(path: str, expected: str) -> None:
    assert shown_path(path) == expected
    assert shown_path(path).encode()


NAMED = ("pixi.toml", "pixi.lock", "src", "libs/tool/src", "my files/a.txt", "ünï")


@pytest.mark.parametrize(
    ("file", "matters"),
    [
        ("pixi.toml", True),
        ("pixi.lock", True),
        ("pixi.toml.orig", False),
        ("sub/pixi.toml", False),
        ("src/main.py", True),
        ("src/deep/er/.hidden", True),
        ("src", True),
        ("srcs/main.py", False),
        ("SRC/main.py", False),
        ("README.md", False),
        ("my files/a.txt", True),
        ("my files/b.txt", False),
        ("my files", True),
        ("src/a\nb.py", True),
        ("src/\udcff", True),
        ("ünï/x", True),
        ("\npixi.toml", False),
        ("libs/tool", True),
        ("libs", True),
        ("libs/other", False),
        ("libs/tool/src/submodule", True),
        ("libs/tool/tests", False),
        (".github/workflows/image.yml", True),
        (".github/workflows/other.yml", False),
        (".github", False),
    ],
)  # fmt: skip
def test_a_named_path_counts_with_all_below_it_and_as_a_submodule_above(file: str, *, matters: bool) -> None:
    relevance = Relevance(paths=NAMED, workflow=".github/workflows/image.yml")
    assert relevance.of([file, "LICENSE"]) == ((file,) if matters else ())


@pytest.mark.parametrize("prefix", ["study/", "a b/ünï/", "deep/er/study/"])
def test_paths_are_those_of_the_workspace_folder(prefix: str) -> None:
    relevance = Relevance(paths=("src", "pixi.toml"), prefix=prefix, workflow=".github/workflows/image.yml")
    relevant = relevance.of(
        [
            f"{prefix}src/b.py",
            f"{prefix}src/a.py",
            f"{prefix}README.md",
            "pixi.toml",
            "src/a.py",
            "study2/src/a.py",
        ]
    )
    assert relevant == ("src/a.py", "src/b.py")
    up = "../" * prefix.count("/")
    assert relevance.of([".github/workflows/image.yml"]) == (f"{up}.github/workflows/image.yml",)
    assert relevance.of([prefix.partition("/")[0]]), "a submodule that has the workspace folder in it"


@pytest.mark.parametrize("path", [".", "src"])
def test_nothing_outside_of_the_context_counts_by_path(path: str) -> None:
    relevance = Relevance(paths=(path,), patterns=("**", "*", "*/*"), prefix="study/")
    assert relevance.of(["README.md", "other/src/a.py", "src/a.py", "study.txt", ".hidden/a"]) == ()
    assert relevance.of(["study/src/a.py"]) == ("src/a.py",)


@pytest.mark.parametrize(
    ("folders", "files", "relevant"),
    [
        ((), ("shared/a", "study/x"), ()),
        (("shared",), ("shared/a", "shared", "sharedx/a", "study/x"), ("../shared", "../shared/a")),
        (("study/lib",), ("study/lib/a", "study/x"), ("lib/a",)),
        (("vendor/lib",), ("vendor", "other"), ("../vendor",)),
        (("",), ("other/a", "study/x"), ("../other/a", "x")),
    ],
)
def test_folders_of_the_repository_count_wherever_they_are(
    folders: tuple[str, ...], files: tuple[str, ...], relevant: tuple[str, ...]
) -> None:
    assert Relevance(paths=(), prefix="study/", folders=folders).of(files) == relevant


@pytest.mark.parametrize("prefix", ["", "study/"])
def test_the_whole_context_may_be_named(prefix: str) -> None:
    relevance = Relevance(paths=(".",), prefix=prefix)
    assert relevance.of([f"{prefix}a", f"{prefix}.b/c"]) == (".b/c", "a")


@pytest.mark.parametrize(
    ("patterns", "file", "matters"),
    [
        (["data/*.csv"], "data/a.csv", True),
        (["data/*.csv"], "data/sub/a.csv", False),
        (["data/**/*.csv"], "data/a.csv", True),
        (["data/**/*.csv"], "data/sub/er/a.csv", True),
        (["data/**/*.csv"], "data/a.txt", False),
        (["**/*.csv"], "a.csv", True),
        (["**/*.csv"], ".hidden/.a.csv", True),
        (["*.csv"], "data/a.csv", False),
        (["data"], "data/sub/a.csv", True),
        (["data/"], "data/sub/a.csv", True),
        (["./data"], "data/a.csv", True),
        (["data/raw"], "data/raw2/a.csv", False),
        (["."], "anything/at/all", True),
        (["./"], "anything", True),
        (["**"], "anything/at/all", True),
        (["d?ta/[ab].csv"], "data/a.csv", True),
        (["d?ta/[ab].csv"], "data/c.csv", False),
        (["*.CSV"], "a.csv", False),
        (["a b/*"], "a b/ü\n", True),
        (["*"], "\udcff", True),
        (["*.csv"], "a\nb.csv", True),
        (["data/**", "!data/tmp/**"], "data/tmp/a.csv", False),
        (["data/**", "!data/tmp/**"], "data/a.csv", True),
        (["data", "!data/tmp"], "data/tmp/a.csv", False),
        (["data/**", "!./data/tmp/"], "data/tmp/a.csv", False),
        (["data/**", "!data/tmp/**", "data/tmp/keep.csv"], "data/tmp/keep.csv", True),
        (["!data/tmp/**", "data/**"], "data/tmp/a.csv", True),
        (["!data"], "other.txt", False),
        (["!src"], "src/main.py", True),
        (["../shared/**"], "../shared/a.csv", True),
        (["../shared"], "../shared/sub/a.csv", True),
        (["../shared/*.csv"], "../shared/sub/a.csv", False),
        (["../shared/**"], "../other/a.csv", False),
        (["../**", "!../other/**"], "../other/a.csv", False),
        (["../../shared/**"], "../shared/a.csv", False),
        (["data/**"], "data", True),
        (["data/sub/*.csv"], "data", True),
        (["data/sub/*.csv"], "data/sub", True),
        (["data/sub/a.csv"], "data", True),
        (["../shared/*.csv"], "../shared", True),
        (["data/**", "!data/private/**"], "data", True),
        (["data/sub/*.csv"], "dat", False),
        (["*/sub/*.csv"], "data", False),
    ],
)  # fmt: skip
def test_the_last_pattern_that_matches_decides(patterns: list[str], file: str, *, matters: bool) -> None:
    relevance = Relevance(paths=("src",), patterns=tuple(patterns), prefix="study/")
    inside = file.removeprefix("../") if file.startswith("../") else f"study/{file}"
    assert relevance.of([inside]) == ((file,) if matters else ())


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("lab/study/.github/workflows/image.yml@refs/heads/main", ".github/workflows/image.yml"),
        ("lab/study/.github/workflows/image.yml@refs/heads/a@b", ".github/workflows/image.yml"),
        ("lab/study/.github/workflows/a@b.yml@refs/pull/7/merge", ".github/workflows/a@b.yml"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_running_workflow_is_a_file_of_the_repository(reference: str, expected: str) -> None:
    assert running_workflow({"GITHUB_WORKFLOW_REF": reference}) == expected
    assert running_workflow({}) == ""


def test_what_compares_nothing_knows_nothing_and_says_so() -> None:
    told = not_consulted("a manual run does not compare changes").as_json()
    assert (told["consulted"], told["known"], told["source"], told["files"]) == (False, False, "none", ())
    assert (told["base"], told["head"]) == ("", "")
    assert assumed("no network").as_json() == {**told, "consulted": True, "reason": "no network"}

"""No sequence of events leaves a tag on an image that a fresh build of its commit would not be equal to."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from tests.end_to_end.project import Project
from tests.end_to_end.test_never_twice import empty, locked, project  # noqa: F401 - fixtures
from tests.rig.github import NOTHING

STEPS = 14
RELEVANT = ("pixi.toml", "pixi.lock", "src", "scripts", ".dockerignore")
CONTENTS = {
    "study/src/main.sh": ("echo 1\n", "echo 2\n", "echo 3\n"),
    "study/src/more.sh": ("", "echo more\n", None),
    "study/scripts/env.sh": ("export STUDY=1\n", "export STUDY=2\n"),
    "README.md": ("A\n", "B\n"),
    "other/src/main.sh": ("1\n", "2\n"),
}


@dataclass
class Walk:
    """A repository under random events, and the commit that each tag has to stand for."""

    project: Project
    random: random.Random
    expected: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    version: int = 0

    @property
    def main(self) -> str:
        return self.project.github.repository.commit_id("refs/heads/main")

    def change(self) -> dict[str, str | bytes | None]:
        name = self.random.choice(list(CONTENTS))
        return {name: self.random.choice(CONTENTS[name])}

    def shipped(self, sha: str, *tags: str) -> None:
        self.expected |= dict.fromkeys((*tags, f"sha-{sha[:7]}"), sha)

    def push(self) -> None:
        outcome = self.project.push(self.change())
        assert outcome.code == 0, outcome.log
        self.commits.append(self.main)
        self.shipped(self.main, "main", "latest")

    def revert(self) -> None:
        """Put the files of an earlier commit back."""
        before, repository = self.main, self.project.github.repository
        tree = repository.git("rev-parse", f"{self.random.choice(self.commits)}^{{tree}}")
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        after = repository.git(*identity, "commit-tree", "-p", before, "-m", f"revert {len(self.log)}", tree)
        assert self.project.pushed(before, after).code == 0
        self.commits.append(after)
        self.shipped(after, "main", "latest")

    def force(self) -> None:
        before, after = self.main, self.random.choice(self.commits)
        assert self.project.pushed(before, after).code == 0
        self.shipped(after, "main", "latest")

    def tag(self) -> None:
        self.version += 1
        sha = self.random.choice(self.commits)
        assert self.project.tagged(f"v{self.version}.0.0", sha).code == 0
        self.shipped(sha, f"{self.version}.0.0", f"{self.version}.0", "latest")

    def branch(self) -> None:
        name = f"work-{len(self.log)}"
        sha = self.project.github.repository.commit(self.change(), branch=name, parents=[self.main])
        assert self.project.pushed(NOTHING, sha, name).code == 0
        self.commits.append(sha)
        self.shipped(sha)

    def request(self) -> None:
        sha = self.project.github.repository.commit(self.change(), branch="asked", parents=[self.main])
        assert self.project.requested(sha).code == 0

    def fail(self) -> None:
        """A push whose run fails: its commit is on the branch, and no tag may be on an image of it."""
        outcome = self.project.push({"study/src/main.sh": f"echo broken {len(self.log)}\n"}, test_command="false")
        assert outcome.code == 7
        self.commits.append(self.main)

    def manual(self) -> None:
        assert self.project.started("workflow_dispatch").code == 0
        self.shipped(self.main, "main", "latest")

    def delete(self) -> None:
        """Somebody cleans the registry up: every tag of one image goes."""
        digests = self.project.digests()
        if not digests:
            return
        tag = self.random.choice(sorted(digests))
        self.project.delete(tag)
        for other, digest in digests.items():
            if digest == digests[tag]:
                del self.expected[other]

    def check(self) -> None:
        tags = self.project.labels()
        assert tags.keys() == self.expected.keys(), self.log
        for tag, labels in tags.items():
            made_of = labels["org.opencontainers.image.revision"]
            paths = [f"study/{name}" for name in RELEVANT]
            differs = self.project.github.repository.git(
                "diff-tree", "-r", "--name-only", made_of, self.expected[tag], "--", *paths
            )
            assert differs == "", (tag, self.log)


@pytest.mark.parametrize("seed", [1])
def test_every_tag_is_what_a_fresh_build_would_be(project: Project, seed: int) -> None:  # noqa: F811
    walk = Walk(project, random.Random(seed))  # noqa: S311
    walk.commits.append(walk.main)
    walk.shipped(walk.main, "main", "latest")
    walk.check()
    events = [walk.push, walk.push, walk.revert, walk.force, walk.tag, walk.branch, walk.request, walk.fail]
    events += [walk.manual, walk.delete]
    for _ in range(STEPS):
        event = walk.random.choice(events)
        walk.log.append(event.__name__)
        event()
        walk.check()

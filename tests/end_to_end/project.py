"""A repository on the rig's GitHub, whose events run as in a workflow: a checkout of one commit, then the step."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixi_container.registry.client import Registry
from pixi_container.registry.reference import ImageReference
from tests.end_to_end.conftest import ROOT, Outcome, layer_cache, read_outputs, registry_tags
from tests.rig.github import NOTHING, GitHub
from tests.rig.rig import Rig

REVISION = "org.opencontainers.image.revision"
FINGERPRINT = "pixi-container.fingerprint"


@dataclass
class Project:
    """The repository, where its image goes, and what is given to every run beside the event."""

    github: GitHub
    rig: Rig
    folder: Path
    image: str
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    seconds: float = 0

    def commit(self, files: Mapping[str, str | bytes | None] | None = None, branch: str = "main") -> str:
        """Put a commit onto a branch, as somebody else's push does that no workflow has seen yet."""
        return self.github.repository.commit(files or {}, branch=branch)

    def push(
        self, files: Mapping[str, str | bytes | None] | None = None, branch: str = "main", **inputs: str
    ) -> Outcome:
        """Push a commit, and run what that starts."""
        before = self.github.repository.commit_id(f"refs/heads/{branch}") or NOTHING
        return self.pushed(before, self.commit(files, branch), branch, **inputs)

    def pushed(self, before: str, after: str, branch: str = "main", **inputs: str) -> Outcome:
        """Run what a push starts that moved a branch."""
        self.github.repository.git("update-ref", f"refs/heads/{branch}", after)
        payload = self.github.push_event(before=before, after=after, ref=f"refs/heads/{branch}")
        return self.run("push", f"refs/heads/{branch}", after, payload, **inputs)

    def tagged(self, tag: str, revision: str = "refs/heads/main", event: str = "push", **inputs: str) -> Outcome:
        """Run what a tag starts, or a release of it."""
        sha = self.github.repository.commit_id(revision)
        self.github.repository.git("update-ref", f"refs/tags/{tag}", sha)
        payload = self.github.push_event(before=NOTHING, after=sha, ref=f"refs/tags/{tag}")
        return self.run(event, f"refs/tags/{tag}", sha, payload, **inputs)

    def started(self, event: str, branch: str = "main", **inputs: str) -> Outcome:
        """Run an event that is about a branch as it is: a manual run, a schedule."""
        sha = self.github.repository.commit_id(f"refs/heads/{branch}")
        payload = {"repository": self.github.repository_json()}
        return self.run(event, f"refs/heads/{branch}", sha, payload, **inputs)

    def requested(
        self, head: str, number: int = 7, *, fork: bool = False, event: str = "pull_request", **inputs: str
    ) -> Outcome:
        """Run what a pull request starts; ``head`` is a branch or a commit."""
        merge = self.github.open_pull_request(number, head=head, fork=fork)
        payload = self.github.pull_request_event(number)
        if event == "pull_request":
            return self.run(event, f"refs/pull/{number}/merge", merge, payload, **inputs)
        main = self.github.repository.commit_id("refs/heads/main")
        return self.run(event, "refs/heads/main", main, payload, **inputs)

    def run(self, event: str, ref: str, sha: str, payload: dict[str, Any], **inputs: str) -> Outcome:
        """Check the commit out alone, and run the step."""
        self.runs += 1
        folder = self.folder / f"run {self.runs}"
        checkout = folder / "checkout"
        self._check_out(checkout, sha)
        (folder / "temp").mkdir()
        (folder / "event.json").write_text(json.dumps(payload))
        for name in ("output", "summary"):
            (folder / name).touch()
        given = {"context": "study", "images": f"{self.rig.registry}/{self.image}", **self.inputs, **inputs}
        env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "SSL_CERT_FILE") if name in os.environ},
            **self.rig.environment(),
            "PYTHONPATH": str(ROOT / "src"),
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_REF": ref,
            "GITHUB_SHA": sha,
            "GITHUB_REPOSITORY": self.github.repository.full_name,
            "GITHUB_SERVER_URL": self.github.url,
            "GITHUB_API_URL": self.github.api_url,
            "GITHUB_WORKFLOW_REF": f"{self.github.repository.full_name}/.github/workflows/ship.yml@{ref}",
            "GITHUB_ACTOR": "someone",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(folder / "temp"),
            "INPUT_PIXI_IMAGE": self.rig.pixi_image,
            "INPUT_LAYER_CACHE": layer_cache(self.rig),
            "INPUT_GITHUB_TOKEN": self.github.token,
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
            **self.env,
        }
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pixi_container", "run"],
            env=env,
            cwd=checkout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.seconds = time.monotonic() - start
        outcome = Outcome(
            code=done.returncode,
            log=done.stdout,
            outputs=read_outputs(folder / "output"),
            summary=(folder / "summary").read_text(),
            left_in_temp=[path.name for path in (folder / "temp").iterdir()],
        )
        assert outcome.left_in_temp == []
        assert self.github.unknown == []
        shutil.rmtree(folder)
        self._check_what_outputs_say(outcome)
        return outcome

    def tags(self) -> dict[str, str]:
        """Give, for each of the user's tags, the commit that its image was built from, in seven digits."""
        return {tag: labels[REVISION][:7] for tag, labels in self.labels().items()}

    def digests(self) -> dict[str, str]:
        """Return the digests of the user's tags."""
        return registry_tags(self.rig.registry, self.image)

    def labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of the image under each of the user's tags."""
        labels_by_tag = {}
        with Registry(lambda _: None) as registry:
            for tag in self.digests():
                labels = registry.get_labels(ImageReference(self.rig.registry, self.image, tag))
                assert labels
                labels_by_tag[tag] = labels
        return labels_by_tag

    def delete(self, tag: str) -> None:
        """Delete the image under a tag, whatever else it is called."""
        import httpx

        everything = self.digests() | registry_tags(self.rig.registry, self.image, ours=True)
        url = f"http://{self.rig.registry}/v2/{self.image}/manifests/{everything[tag]}"
        assert httpx.delete(url).status_code == 202

    def ours(self, kind: str) -> list[str]:
        """Return the tags that fingerprints made: ``env`` or ``img``, without the moving one."""
        tags = registry_tags(self.rig.registry, self.image, ours=True)
        return sorted(tag for tag in tags if re.fullmatch(rf"{kind}-.+-[0-9a-f]{{16}}", tag))

    def _check_out(self, folder: Path, sha: str) -> None:
        folder.mkdir(parents=True)
        source = str(self.github.repository.path)
        for arguments in (
            ["init", "--quiet"],
            ["fetch", "--quiet", "--depth=1", f"file://{source}", sha],
            ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
        ):
            subprocess.run(["git", *arguments], cwd=folder, check=True)

    def _check_what_outputs_say(self, outcome: Outcome) -> None:
        """Whatever a run says that it published is there, and a run that failed says nothing."""
        outputs = outcome.outputs
        if outcome.code != 0:
            assert outputs == {}
            return
        there = self.digests()
        if outputs["pushed"] == "true" and outputs["image"].startswith(self.rig.registry):
            for tag in outputs["tags"].splitlines():
                name, _, tag_name = tag.rpartition(":")
                if name == f"{self.rig.registry}/{self.image}":
                    assert there[tag_name] == outputs["digest"]
        if outputs["pushed"] == "false":
            assert outputs["digest"] == outputs["image"] == ""

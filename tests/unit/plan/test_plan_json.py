"""The plan, the changes and the workspace as JSON: each key and its value, as scripts read them.

A new key is one more line in the table of its function.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pixi_container.changes.comparison import Changes
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.plan.existing import ExistingImages
from pixi_container.plan.plan import Plan
from pixi_container.registry.reference import parse_reference
from pixi_container.report import Report
from tests.unit.conftest import Folder
from tests.unit.plan.test_plan import PULL_REQUEST, SHA, TAG, plan_of

PINNED = f"ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble@sha256:{'b' * 64}"
STUDY = "ghcr.io/lab/study"
REUSED = parse_reference(f"{STUDY}@sha256:{'e' * 64}", source="test")


def metadata(version: str, *tags: str) -> dict[str, Any]:
    """Return tags, labels and annotations of the workspace as docker/metadata-action has them."""
    labels = {
        "org.opencontainers.image.created": "2026-01-02T03:04:05.000Z",
        "org.opencontainers.image.revision": SHA,
        "org.opencontainers.image.source": "https://github.com/Lab/Study",
        "org.opencontainers.image.title": "Study",
        "org.opencontainers.image.url": "https://github.com/Lab/Study",
        "org.opencontainers.image.version": version,
    }
    return {
        "tags": [f"{STUDY}:{tag}" for tag in tags],
        "tag-names": list(tags),
        "labels": labels,
        "annotations": [f"manifest:{key}={value}" for key, value in labels.items()],
    }


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return what the plan of a pushed tag of the environment ``gpu`` says."""
    version = metadata("1.2.3", "1.2.3", "1.2", "sha-0123456", "latest")
    environment, image = plan.definition.environment_fingerprint, plan.definition.fingerprint
    environment_push, push = plan.commands.all
    published = [*version["tags"], f"{STUDY}:img-gpu-{image.digest[:16]}"]
    return {
        "decision": "build",
        "reason": "a test asks for it, and the registry has no image of this state",
        "push": True,
        "changes": changes_as_json(plan.changes),
        "changed_files": [],
        "environment": "gpu",
        "more_environments": [],
        "platform": "linux/amd64",
        "cuda": "12",
        "cuda_source": plan.definition.workspace.cuda_source,
        "pixi_version": DEFAULT_PIXI,
        "pixi_reason": "the default, which fits lock version 6",
        "builder_image": PINNED,
        "runtime_image": PINNED,
        "base": None,
        "conda_packages": 2,
        "pypi_packages": 0,
        "fingerprint": environment.digest,
        "fingerprint_parts": dict(environment.parts),
        "image_fingerprint": image.digest,
        "image_fingerprint_parts": dict(image.parts),
        "download_size": 30_020_000,
        "version": "1.2.3",
        "tags": version["tags"],
        "labels": {
            **version["labels"],
            "pixi-container.fingerprint": image.digest,
            "pixi-container.environment-fingerprint": environment.digest,
            "pixi-container.fingerprint-parts": json.dumps(
                {name: digest[:16] for name, digest in (*environment.parts, *image.parts)}, sort_keys=True
            ),
        },
        "annotations": version["annotations"],
        "json": json.dumps(version),
        "notes": [],
        "published_tags": published,
        "existing_images": [],
        "new_tags": [],
        "environment_image": f"{STUDY}:env-gpu-{environment.digest[:16]}",
        "environment_tags": [f"{STUDY}:env-gpu-{environment.digest[:16]}", f"{STUDY}:env-gpu"],
        "reuses_environment": False,
        "environment_way": "docker",
        "environment_way_reason": "'environment-builder' is 'docker'",
        "layers": plan.definition.layers,
        "local_image": plan.local_image,
        "keep_local_image": False,
        "leftover_images": [],
        "test_container": f"pixi-container-test-gpu-{plan.local_image[-16:]}",
        "dockerfile": plan.definition.dockerfile,
        "environment_dockerfile": "",
        "commands": {
            "create_builder": [],
            "emulate": None,
            "list_packages": None,
            "base": None,
            "prepare_check": None,
            "check_environment": None,
            "make_environment": None,
            "build": None,
            "test_stages": [],
            "test": None,
            "push_environment": as_lists(vars(environment_push)),
            "push": as_lists(vars(push)),
        },
        "docker_commands": {
            **dict.fromkeys(
                (
                    *("emulate", "list_packages", "base", "prepare_check", "check_environment"),
                    *("make_environment", "build", "test", "push_environment", "push"),
                )
            ),
            "create_builder": [],
            "test_stages": [],
        },
        "without_builder": False,
        "node": "",
        "workspace": workspace_as_json(plan),
    }


def changes_as_json(changes: Changes) -> dict[str, Any]:
    """Return what the changes of a test say."""
    return {
        "consulted": changes.consulted,
        "known": changes.known,
        "reason": changes.reason,
        "base": changes.base,
        "head": changes.head,
        "source": changes.source,
        "files": list(changes.files),
    }


def workspace_as_json(plan: Plan) -> dict[str, Any]:
    """Return what the environment ``gpu`` of the workspace says."""
    workspace = plan.definition.workspace
    return {
        "manifest": "pixi.toml",
        "environment": "gpu",
        "features": ["gpu", "default"],
        "solve_group": "",
        "platform": {
            "docker": "linux/amd64",
            "conda": "linux-64",
            "name": "linux-64-cuda-12",
            "name_in_lock": "linux-64",
            "virtual_packages": [str(package) for package in workspace.declared.virtual_packages],
            "reason": workspace.declared.reason,
        },
        "platforms": ["linux-64-cuda-12"],
        "docker_platforms": ["linux/amd64"],
        "lock_version": 6,
        "requires_pixi": "",
        "cuda": {"version": "12", "reason": workspace.cuda_source},
        "glibc": {"version": workspace.glibc, "reason": workspace.glibc_source},
        "packages": [as_lists(asdict(package)) for package in workspace.platform.packages],
        "own_source": [],
        "git": [],
        "find_links": [],
        "source_places": [],
        "unknown_environments": [],
        "install_files": ["pixi.toml", "pixi.lock"],
        "config": "",
        "activation": {"scripts": [], "missing_scripts": ["gone.sh"], "env": {"STUDY_MODE": "fast"}},
        "include": ["src"],
    }


def as_lists(value: object) -> object:
    """Return a value as JSON has it."""
    return json.loads(json.dumps(value))


def test_a_plan_has_each_fact_under_its_key(folder: Folder) -> None:
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["gone.sh"]\n\n[activation.env]')
    plan = plan_of(folder, TAG, environment="gpu")
    assert as_lists(plan.as_json()) == plan_as_json(plan)
    shown = json.loads(Report(plan=plan).outputs()["metadata"])
    assert shown == {key: value for key, value in plan_as_json(plan).items() if key != "workspace"}


def test_a_plan_names_what_is_reused_and_what_gets_tags(folder: Folder) -> None:
    pull_request = plan_of(folder, PULL_REQUEST, existing=ExistingImages(environment=REUSED)).as_json()
    assert pull_request["environment_image"] == str(REUSED)
    assert pull_request["reuses_environment"] is True
    assert pull_request["environment_tags"] == ()
    assert pull_request["push"] is False
    assert pull_request["commands"]["build"]["purpose"] == "build"
    tags = {REUSED.tagged("1.2.3"): ""}
    promoted = plan_of(folder, TAG, existing=ExistingImages(images=(REUSED,), tags=tags)).as_json()
    assert promoted["decision"] == "promote"
    assert promoted["existing_images"] == (str(REUSED),)
    assert promoted["new_tags"] == (f"{STUDY}:1.2.3",)
    assert promoted["environment_image"] == ""
    assert promoted["reuses_environment"] is False
    kept = plan_of(folder, TAG, keep=True, push="false", test_command="true", labels="lonely").as_json()
    assert kept["keep_local_image"] is True
    assert kept["commands"]["test"]["purpose"] == "test"
    assert kept["notes"] == ("input 'labels', line 1: 'lonely' is not key=value and is ignored",)
    assert kept["leftover_images"] == (kept["local_image"],)


def test_changes_have_each_fact_under_its_key() -> None:
    changes = Changes(
        known=True,
        consulted=False,
        reason="because",
        base="a" * 40,
        head="b" * 40,
        source="git",
        files=("src/a.py", "b"),
        relevant=("a.py",),
    )
    assert as_lists(changes.as_json()) == {
        "consulted": False,
        "known": True,
        "reason": "because",
        "base": "a" * 40,
        "head": "b" * 40,
        "source": "git",
        "files": ["src/a.py", "b"],
    }

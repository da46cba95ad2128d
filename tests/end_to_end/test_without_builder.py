"""The application's image made without a builder, beside the one that buildx makes of the same environment."""

from __future__ import annotations

import hashlib
import os
import posixpath
import shlex
import subprocess
import tarfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

import pytest

from pixi_container.application.application_image import application_image
from pixi_container.application.builder_need import needs_builder
from pixi_container.application.push import Destination, PushedApplication, push_application, read_environment
from pixi_container.docker.builder import BuilderKind
from pixi_container.image.base_images import choose_base_images
from pixi_container.image.definition import ImageDefinition, define_image
from pixi_container.image.files import read_image_files
from pixi_container.image.metadata import workspace_expressions
from pixi_container.image.sources import Sources
from pixi_container.inputs import Inputs, parse_inputs
from pixi_container.plan.commands import BuildOptions, build_commands
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository, Registries
from pixi_container.runner.event import Event
from pixi_container.tags import facts_from
from pixi_container.workspace.workspace import read_workspace
from tests.end_to_end.conftest import image_name
from tests.end_to_end.test_direct_environment import Remote, environment_image, members, published
from tests.rig.rig import Rig

pytestmark = pytest.mark.engine

DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
EVENT = Event(name="push", ref="refs/heads/main", sha="0" * 40, repository="lab/study", actor="me", payload={})
IGNORED = "src/old\n!src/old/deep\n**/*.secret\n"
ABOVE_COPIES = {"app", "app/data", "srv", "opt", "opt/code"}
"""Folders that no copy brings: BuildKit's have the time of the build."""

Tree = dict[str, tuple[object, ...]]


def plant(study: Path) -> None:
    """Give the workspace files of every kind that a checkout can have."""
    src = study / "src"
    for name in ("old/deep/kept", "old/dropped", "a.secret", "tool", "name with ä", "back\\slash", "line\nbreak"):
        (src / name).parent.mkdir(parents=True, exist_ok=True)
        (src / name).write_text(name)
    (src / ("long" * 30) / ("longer" * 30)).mkdir(parents=True)
    (src / "link").symlink_to("tool")
    (src / "out").symlink_to("/usr/bin/env")
    (src / "broken").symlink_to("x" * 200)
    (src / "again").hardlink_to(src / "tool")
    (study / "data").mkdir()
    (study / "data/table.csv").write_text("1,2\n" * 100_000)
    (study / "linked").symlink_to("data")
    for name, mode in (("tool", 0o4711), ("old", 0o711), ("old/deep", 0o2775), ("name with ä", 0o600)):
        (src / name).chmod(mode)
    src.chmod(0o700)
    os.utime(src / "tool", ns=(0, 1_234_567_890_999_999_999))
    os.utime(src / "name with ä", ns=(0, -1))
    os.utime(src / "old/deep", (0, 86_400))
    (study / ".dockerignore").write_text(IGNORED)


@dataclass(frozen=True)
class Made:
    """The two images, under the tags ``buildx`` and ``none`` of one repository."""

    remote: Remote
    pushed: PushedApplication
    first_layer: int


def define(rig: Rig, study: Path) -> tuple[ImageDefinition, Inputs]:
    inputs = parse_inputs(
        {
            "context": str(study),
            "environment": "gpu",
            "pixi-image": rig.pixi_image,
            "include": "src\nlinked\ndata/table.csv\n--chown=1000:100 --chmod=750 src/old => /srv/old\n"
            "src/*.py => /opt/code",
            "expose": "8000 6000-6002/udp",
            "command": 'python -c "print(1)"',
            "env": 'PATH=/opt/code:$PATH\nGREETING=it\'s "$MEANS_COLUMNS" for \\$5',
            "user": "1000:100",
            "entrypoint": "python -X dev",
            "healthcheck": "--interval=1m30s --timeout=1.5s --retries=2 test -e /tmp",
            "volumes": "/scratch /srv/data",
            "stop-signal": "SIGINT",
            "labels": 'a=b=c\nmaintainer=ä "quoted" $HOME',
        }
    )
    workspace = read_workspace(inputs)
    bases = choose_base_images(inputs, workspace)
    expressions = workspace_expressions(workspace, bases.pixi_version, bases.builder)
    facts = facts_from(EVENT, commit_date=DATE, now=DATE, expressions=expressions)
    files = read_image_files(workspace, inputs, bases.pixi_version)
    return define_image(EVENT, inputs, Sources(workspace=workspace), bases, facts, files), inputs


def buildx(rig: Rig, definition: ImageDefinition, inputs: Inputs, environment: ImageReference, work: Path) -> None:
    """Push the image with the command line that the plan has for it."""
    metadata = definition.metadata
    options = BuildOptions(
        definition=definition,
        builder=BuilderKind(),
        labels=tuple(sorted(metadata.labels.items())),
        annotations=metadata.annotations,
        tags=(environment.tagged("buildx"),),
        push=True,
        local_image="pixi-container.local/none:1",
        test_container="none",
        keep=False,
        builds_first=False,
        environment=f"docker-image://{environment}",
    )
    command = build_commands(inputs, options).push
    assert command is not None
    (work / "Dockerfile").write_text(definition.dockerfile)
    argv = command.in_folder(str(work))
    env = {**os.environ, **rig.environment()}
    built = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"{shlex.join(argv)}\n{built.stderr}"


@pytest.fixture(scope="module")
def made(rig: Rig, solved_example: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("without builder")
    # By its name, a builder takes a folder for one that it had before, with what has changed since.
    study, work, temp = folder / uuid4().hex, folder / "work", folder / "temp"
    for each in (work, temp):
        each.mkdir()
    subprocess.run(["cp", "-r", str(solved_example), str(study)], check=True)
    plant(study)
    # Else the builder may have the same files from another run, with the times that they had then.
    for file in ("pixi.toml", "src/means.py", "src/a.secret", "src/old/deep/kept", "data/table.csv"):
        with (study / file).open("a") as content:
            content.write(f"# {study}\n")
    remote = Remote(rig.registry, image_name("without builder"))
    done = published(rig, remote.name, environment_image(rig, study), temp)
    environment = ImageReference(rig.registry, remote.name, digest=done.digest)
    definition, inputs = define(rig, study)
    assert needs_builder(definition, inputs) == ""
    buildx(rig, definition, inputs, environment, work)
    labels, annotations = tuple(definition.metadata.labels.items()), definition.metadata.annotations
    with Registries(lambda _: None) as registries:
        store = ImageRepository(registries, environment)
        below = read_environment(store, done.digest)
        image = application_image(definition, inputs, below, labels, annotations)
        pushed = push_application(
            image, [Destination(store=store, tags=("none",))], env={"RUNNER_TEMP": str(temp)}
        )
    assert list(temp.iterdir()) == []
    return Made(remote, pushed, len(below.layers))


def layer_tree(remote: Remote, digest: str) -> Tree:
    """Return kind, mode, time, owner and content of each path in a layer; a folder above a copy has no time."""
    kinds = {tarfile.REGTYPE: "file", tarfile.SYMTYPE: "link", tarfile.DIRTYPE: "folder"}
    tree: Tree = {}
    for info, content in members(remote.get(f"blobs/{digest}")):
        path = posixpath.normpath(info.name)
        assert path not in tree
        if info.islnk():
            tree[path] = ("hard link", *tree[posixpath.normpath(info.linkname)])
            continue
        time = None if info.isdir() and path in ABOVE_COPIES else int(info.mtime)
        owner = (info.uid, info.gid, info.uname, info.gname)
        said = info.linkname if info.issym() else hashlib.sha256(content).hexdigest()
        tree[path] = (kinds[info.type], info.mode, time, owner, said)
    return tree


def test_the_configuration_is_equal(made: Made) -> None:
    theirs, ours = (made.remote.config(tag) for tag in ("buildx", "none"))
    assert ours["config"] == theirs["config"]
    assert ours["config"]["ExposedPorts"].keys() == {"8000/tcp", "6000/udp", "6001/udp", "6002/udp"}
    assert ours["config"]["Labels"]["maintainer"] == 'ä "quoted" $HOME'
    assert {"PIXI_PROJECT_VERSION=0.1.0", 'GREETING=it\'s "3" for $5'} <= {*ours["config"]["Env"]}
    assert ours["config"]["Entrypoint"] == ["/app/entrypoint.sh", "python", "-X", "dev"]
    assert (ours["config"]["User"], ours["config"]["StopSignal"]) == ("1000:100", "SIGINT")
    for name in ("architecture", "os", "created"):
        assert ours[name] == theirs[name]
    assert ours.keys() == theirs.keys()
    ends = [[(entry["created"], entry.get("empty_layer")) for entry in each["history"]] for each in (ours, theirs)]
    assert ends[0] == ends[1]


def test_every_layer_has_the_same_files(made: Made) -> None:
    theirs, ours = (made.remote.manifest(tag) for tag in ("buildx", "none"))
    assert ours["annotations"] == theirs["annotations"]
    assert [layer["mediaType"] for layer in ours["layers"]] == [layer["mediaType"] for layer in theirs["layers"]]
    digests = [[layer["digest"] for layer in each["layers"]] for each in (ours, theirs)]
    assert digests[0][: made.first_layer] == digests[1][: made.first_layer]
    copies = list(zip(*(each[made.first_layer :] for each in digests), strict=True))
    assert len(copies) == 6
    for number, (our, their) in enumerate(copies):
        our_tree, their_tree = layer_tree(made.remote, our), layer_tree(made.remote, their)
        differing = {
            path for path in our_tree.keys() | their_tree.keys() if our_tree.get(path) != their_tree.get(path)
        }
        assert differing == set(), {path: (our_tree.get(path), their_tree.get(path)) for path in sorted(differing)}
        expected = {1: "app/src/old/deep/kept", 2: "app/linked/table.csv", 3: "app/data/table.csv"}
        expected |= {4: "srv/old/deep/kept", 5: "opt/code/means.py"}
        assert expected.get(number, "app/pixi.toml") in our_tree
        assert not {"app/src/a.secret", "app/src/old/dropped"} & our_tree.keys()
    assert made.pushed.config == ours["config"]["digest"]


def test_it_runs_in_an_engine(made: Made, rig: Rig) -> None:
    name = f"{made.remote.registry}/{made.remote.name}:none"
    code = "import numpy, os; print(open('/app/linked/table.csv').readline().strip(), os.environ['CONDA_PREFIX'])"
    options = ("--rm", "--user", "54321:54321", "--read-only", "--cap-drop", "ALL")
    done = subprocess.run(
        ["docker", "run", *options, name, "-c", code],
        env={**os.environ, **rig.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1,2 /app/.pixi/envs/gpu"), done.stderr

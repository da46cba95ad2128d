"""A job whose environment comes straight from the lock: what is done in which order, and what a failure leaves."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pixi_container.docker.builder import machine_platform
from pixi_container.environment.downloads import DownloadError
from pixi_container.errors import (
    BuildFailedError,
    ImageTestFailedError,
    RegistryError,
    ToolUnavailableError,
    UserError,
)
from pixi_container.report import Report
from pixi_container.runner.event import Event
from tests.unit.conftest import Folder
from tests.unit.docker_program import DockerProgram
from tests.unit.environment.archives import Item, Made, package
from tests.unit.loopback import Reply, Request, Server, as_json, serving
from tests.unit.plan.test_plan import PULL_REQUEST, PUSH
from tests.unit.registry_server import OCI_CONFIG, OCI_MANIFEST, RegistryServer, digest_of
from tests.unit.test_ship import BASE, PIXI, STUDY, Job

MANIFEST = """\
[workspace]
name = "study"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
"""


def put_base(server: RegistryServer, **settings: object) -> None:
    """Put the base image into the registry, with bash in its one layer, and more settings of its configuration."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        info = tarfile.TarInfo("bin/bash")
        info.mode = 0o755
        out.addfile(info)
    plain = tar.getvalue()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin"], **settings},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
    }
    image = {
        "mediaType": OCI_MANIFEST,
        "config": server.put_blob(PIXI, json.dumps(config).encode(), OCI_CONFIG),
        "layers": [server.put_blob(PIXI, gzip.compress(plain, mtime=0))],
    }
    server.put_manifest(PIXI, image, BASE)


class DirectJob(Job):
    """A job of a workspace whose packages are archives on a server of this machine."""

    channel: Server

    def ship(self, event: Event = PUSH, **texts: str) -> Report:
        return super().ship(event, **{"environment_builder": "auto", **texts})

    @property
    def environment_tags(self) -> set[str]:
        return {tag for tag in self.pushed if tag.startswith("env-")}

    def lock(self, *packages: Made) -> None:
        """Have the workspace require these packages."""
        wanted = "".join(f'{made.name} = "*"\n' for made in packages)
        self.folder.write("pixi.toml", MANIFEST + wanted)
        urls = [f"http://{self.channel.address}/conda-forge/linux-64/{made.archive.name}" for made in packages]
        lines = ["version: 6", "environments:", "  default:", "    channels:"]
        lines += ["    - url: https://conda.anaconda.org/conda-forge/", "    packages:", "      linux-64:"]
        lines += [f"      - conda: {url}" for url in urls]
        lines.append("packages:")
        for made, url in zip(packages, urls, strict=True):
            content = made.archive.read_bytes()
            lines += [f"- conda: {url}", f"  sha256: {hashlib.sha256(content).hexdigest()}"]
            lines += [f"  size: {len(content)}"]
        self.folder.write("pixi.lock", "\n".join(lines) + "\n")


@pytest.fixture
def alpha(tmp_path: Path) -> Made:
    return package(tmp_path / "channel", "alpha", [Item("lib/alpha.txt", b"alpha" * 1000)])


@pytest.fixture
def job(
    folder: Folder, server: RegistryServer, docker: DockerProgram, tmp_path: Path, alpha: Made
) -> Iterator[DirectJob]:
    def answer(request: Request) -> Reply:
        archive = alpha.archive.parent / Path(request.path).name
        return Reply(content=archive.read_bytes()) if archive.exists() else Reply(404)

    put_base(server)
    made = DirectJob(folder, server, docker, tmp_path / "job")
    with serving(answer) as made.channel:
        made.lock(alpha)
        yield made


def test_the_environment_is_made_started_and_published_and_the_image_built_on_it(job: DirectJob) -> None:
    report = job.ship(builder="mine")
    assert job.docker.purposes == ["check-environment", "push"]
    plan = report.plan
    (fingerprinted, moving) = (tag.tag for tag in plan.environment_tags)
    assert job.environment_tags == {fingerprinted, moving, f"{moving}-paths"}
    digest = job.server.digest(STUDY, fingerprinted)
    assert digest == job.server.digest(STUDY, moving)
    checked, push = job.docker.starts
    assert push.after("--build-context") == [f"environment=docker-image://{job.server.name()}@{digest}"]
    (started,) = checked.after("--build-context")
    assert started.rpartition("@")[2] in job.server.manifests[STUDY]
    assert checked.after("--output") == ["type=cacheonly"]
    assert report.outputs()["environment-image"] == f"{job.server.name()}:{fingerprinted}"
    assert job.left == []


@pytest.mark.slow
def test_the_same_packages_are_neither_made_nor_started_again(job: DirectJob) -> None:
    job.ship()
    job.folder.write("src/main.py", "print('another')\n")
    before = len(job.docker.starts)
    report = job.ship()
    assert report.plan.reuses_environment
    assert job.docker.purposes[before:] == []


@pytest.mark.slow
def test_a_bump_is_not_started_again(job: DirectJob, alpha: Made, capsys: pytest.CaptureFixture[str]) -> None:
    job.ship()
    beta = package(alpha.archive.parent, "beta", [Item("lib/beta.txt", b"beta" * 1000)])
    job.lock(alpha, beta)
    before = len(job.docker.starts)
    job.ship()
    assert job.docker.purposes[before:] == []
    assert "not started again" in capsys.readouterr().err


def test_an_environment_that_does_not_start_gets_no_tag(job: DirectJob) -> None:
    job.docker.behave(**{"check-environment": {"code": 1, "errors": "activation check: no\n"}})
    job.fails(BuildFailedError)
    assert job.pushed == set()
    assert job.docker.purposes == ["check-environment"]


@pytest.mark.slow
def test_a_test_that_fails_leaves_the_environment_alone(job: DirectJob) -> None:
    job.docker.behave(**{"run --rm": {"code": 3}})
    job.fails(ImageTestFailedError, test_command="false")
    assert job.pushed == job.environment_tags != set()


def test_a_download_that_fails_ends_the_job_before_any_tag(job: DirectJob, alpha: Made) -> None:
    alpha.archive.unlink()
    error = job.fails(DownloadError)
    assert "package 'alpha' cannot be downloaded" in error.message
    assert job.pushed == set()
    assert job.docker.purposes == []


@pytest.mark.slow
def test_a_pull_request_has_the_environment_in_a_folder(job: DirectJob) -> None:
    report = job.ship(PULL_REQUEST)
    assert job.docker.purposes == ["check-environment", "build", "image inspect"]
    for start in job.docker.starts[:2]:
        (context,) = start.after("--build-context")
        assert context.startswith(f"environment=oci-layout://{job.temporary / 'runner'}")
    assert job.pushed == set()
    assert job.server.written == []
    assert report.outputs()["environment-image"] == ""
    assert job.left == []


@pytest.mark.slow
def test_what_only_pixi_can_install_is_built_with_a_word(
    job: DirectJob, alpha: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    clash = package(alpha.archive.parent, "clash", [Item("lib/alpha.txt/file", b"")])
    job.lock(alpha, clash)
    report = job.ship()
    assert job.docker.purposes == ["push-environment", "push"]
    assert "warning: Pixi installs the environment in the build, because" in capsys.readouterr().err
    assert job.server.digest(STUDY, report.plan.definition.environment_tag)
    before = len(job.docker.starts)
    job.folder.write("src/main.py", "print('another')\n")
    assert job.ship().plan.reuses_environment
    assert job.docker.purposes[before:] == []


def test_what_only_pixi_can_install_is_an_error_for_who_insists(
    job: DirectJob, alpha: Made, tmp_path: Path
) -> None:
    clash = package(alpha.archive.parent, "clash", [Item("lib/alpha.txt/file", b"")])
    job.lock(alpha, clash)
    error = job.fails(UserError, environment_builder="direct")
    assert "cannot be made straight from the lock" in error.message
    assert job.pushed == set()


@pytest.mark.slow
def test_a_base_that_only_a_builder_understands_is_built_on_with_a_word(
    job: DirectJob, capsys: pytest.CaptureFixture[str]
) -> None:
    put_base(job.server, OnBuild=["RUN true"])
    job.ship()
    assert job.docker.purposes == ["push-environment", "push"]
    reason = "the base image has instructions for builds on top of it (ONBUILD)"
    assert f"warning: Pixi installs the environment in the build, because {reason}" in capsys.readouterr().err
    error = job.fails(UserError, builder="none", images=str(job.server.name("lab/other")))
    assert error.message == f"the environment cannot be made straight from the lock: {reason}"


@pytest.mark.slow
def test_an_environment_that_only_a_builder_understands_is_an_error_without_one(job: DirectJob) -> None:
    tag = job.ship().plan.definition.environment_tag
    manifest = json.loads(job.server.manifests[STUDY][tag][1])
    config = json.loads(job.server.blobs[STUDY][manifest["config"]["digest"]])
    config["config"]["OnBuild"] = ["RUN true"]
    manifest["config"] = job.server.put_blob(STUDY, json.dumps(config).encode(), OCI_CONFIG)
    job.server.put_manifest(STUDY, manifest, tag)
    job.folder.write("src/main.py", "print('another')\n")
    error = job.fails(UserError, builder="none")
    assert error.message.startswith("only a builder can build on the environment's image sha256:")
    assert error.message.endswith(": it has instructions for builds on top of it (ONBUILD)")


def test_who_insists_on_the_lock_gets_no_other_way(job: DirectJob) -> None:
    job.docker.folder.joinpath("docker").write_text(
        '#!/bin/sh\ncase "$1 $2" in\n"version --format") echo linux/amd64 ;;\n"buildx version") echo v0.20.0 ;;\n'
        '"buildx inspect") echo "Driver: docker" ;;\nesac\n'
    )
    error = job.fails(UserError, PULL_REQUEST, environment_builder="direct")
    assert error.message.endswith("this engine's own builder cannot take an image from a folder")


@pytest.mark.slow
def test_two_names_get_the_same_environment(job: DirectJob) -> None:
    report = job.ship(images=f"{job.server.name()}\n{job.server.name('lab/copy')}")
    tag = report.plan.definition.environment_tag
    assert job.server.digest(STUDY, tag) == job.server.digest("lab/copy", tag) != ""


@pytest.mark.slow
def test_only_what_the_registry_has_counts_as_published(job: DirectJob, alpha: Made) -> None:
    def interfere(request: Request) -> Reply | None:
        if request.method == "PUT" and request.path.endswith("/manifests/env-default"):
            return Reply(201)
        return None

    job.server.interfere = interfere
    assert job.fails(RegistryError).message.endswith("env-default does not exist after the push")
    beta, gamma = (
        package(alpha.archive.parent, name, [Item(f"lib/{name}.txt", b"1")]) for name in ("beta", "gamma")
    )
    job.server.interfere = lambda _: None
    job.lock(alpha, beta)
    job.ship()
    job.server.interfere = interfere
    job.lock(alpha, gamma)
    error = job.fails(RegistryError)
    assert "env-default points to a different image after the push" in error.message


def test_without_a_builder_the_image_is_put_together(job: DirectJob, capsys: pytest.CaptureFixture[str]) -> None:
    report = job.ship(builder="none", expose="8000")
    assert job.docker.purposes == []
    plan = report.plan
    assert plan.without_builder
    assert {job.server.digest(STUDY, tag.tag) for tag in plan.published_tags} == {report.digest}
    manifest = json.loads(job.server.manifests[STUDY]["main"][1])
    config = json.loads(job.server.blobs[STUDY][manifest["config"]["digest"]])
    assert config["config"]["ExposedPorts"] == {"8000/tcp": {}}
    assert config["config"]["Labels"].items() >= dict(plan.labels).items()
    environment = json.loads(job.server.manifests[STUDY][plan.definition.environment_tag][1])
    assert manifest["layers"][: len(environment["layers"])] == environment["layers"]
    assert (
        "the environment was not started, because nothing runs here that could start it" in capsys.readouterr().err
    )
    job.folder.write("src/main.py", "print('another')\n")
    again = job.ship(builder="none")
    assert again.plan.reuses_environment
    assert again.digest != report.digest
    assert job.left == []


@pytest.mark.slow
def test_without_an_engine_auto_does_without_a_builder(job: DirectJob, capsys: pytest.CaptureFixture[str]) -> None:
    job.docker.folder.joinpath("docker").write_text("#!/bin/sh\necho no daemon >&2\nexit 1\n")
    report = job.ship()
    assert report.digest
    assert report.plan.without_builder
    said = capsys.readouterr().err
    assert "warning: no Docker engine answers: no daemon; the image's layers are put on the environment's" in said
    assert report.plan.definition.workspace.platform.docker == machine_platform()
    error = job.fails(ToolUnavailableError, test_command="true", promote="false", skip_unchanged="false")
    assert (
        "no Docker engine answers: no daemon; the image needs a builder: only an engine can run" in error.message
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("test_command", "true", "only an engine can run the input 'test-command'"),
        ("environment_builder", "docker", "Pixi installs the environment in a build, because"),
        ("reuse_environment", "false", "there is no environment image to put layers on"),
    ],
)
def test_what_needs_a_builder_is_an_error_without_one(job: DirectJob, name: str, value: str, reason: str) -> None:
    error = job.fails(UserError, PUSH, **{"builder": "none", name: value})
    assert error.message.startswith("input 'builder': 'none' cannot make this image: ")
    assert reason in error.message
    assert job.pushed == set()


@pytest.mark.slow
def test_a_pull_request_is_put_together_without_a_builder_too(job: DirectJob) -> None:
    report = job.ship(PULL_REQUEST, builder="none")
    assert report.digest == ""
    assert job.pushed == set()
    assert job.server.written == []
    assert job.left == []


@pytest.mark.slow
def test_a_layer_that_the_registry_refuses_leaves_no_tag(job: DirectJob) -> None:
    refused = as_json({"errors": [{"code": "DENIED"}]}, 403)
    job.server.interfere = lambda request: refused if str(request).startswith("PUT") else None
    job.fails(UserError)
    assert job.pushed == set()


@pytest.mark.slow
def test_credentials_for_channels_are_this_runs(job: DirectJob) -> None:
    job.ship(conda_auth='{"*.example.org": {"BearerToken": "secret-token"}}')
    assert job.left == []
    assert not any("secret-token" in json.dumps(start.words) for start in job.docker.starts)


@pytest.mark.slow
def test_layers_that_another_repository_made_are_taken_from_the_cache(job: DirectJob) -> None:
    cache = str(job.server.name("lab/layers"))
    first = job.ship(layer_cache=cache)
    assert job.server.tags("lab/layers")
    asked = len(job.channel.requests)
    assert asked
    other = job.ship(images=str(job.server.name("lab/other")), layer_cache=cache)
    assert len(job.channel.requests) == asked
    tag = first.plan.definition.environment_tag
    assert job.server.digest(STUDY, tag) == job.server.digest("lab/other", tag) != ""
    assert other.digest


@pytest.mark.slow
def test_a_pull_request_only_reads_the_cache(job: DirectJob) -> None:
    job.ship(PULL_REQUEST, layer_cache=str(job.server.name("lab/layers")))
    assert job.server.written == []


@pytest.mark.slow
def test_a_merge_queue_publishes_nothing(job: DirectJob) -> None:
    job.ship(replace(PUSH, name="merge_group", ref="refs/heads/gh-readonly-queue/main/pr-7"))
    assert job.pushed == set()

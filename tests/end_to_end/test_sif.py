"""The SIF beside the image: what is in it, how it is found again, and what a machine without its program tells."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import Step, registry_tags
from tests.rig import squashfs
from tests.rig.folders import Folders

pytestmark = pytest.mark.engine

CHANGES = """
RUN touch /srv/gone /srv/kept && ln /srv/kept /srv/linked && ln -s kept /srv/link
RUN mkdir -m 1777 -p /srv/full/deep
RUN rm /srv/gone && rm -r /srv/full && mkdir /srv/full && touch "/srv/full/a b" && chmod 4750 /srv/full/*
RUN echo new > /srv/kept && chown 7:8 /srv/linked && mknod /srv/null c 1 3 && mkfifo /srv/pipe
"""
OF_ENGINE = {".dockerenv", "dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}
"""What a container of the engine has of its own."""

OF_APPTAINER = {"singularity", "environment", ".run", ".exec", ".test", ".shell", ".singularity.d"}

Entry = tuple[object, ...]


@pytest.fixture(scope="session")
def squashfs_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs."""
    return squashfs.install(Folders.from_environment(os.environ).cache, tmp_path_factory.mktemp("squashfs"))


@pytest.fixture
def bare(step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """A step on a machine that has docker and git, and no squashfs-tools."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("docker", "git"):
        found = subprocess.run(
            ["sh", "-c", f"command -v {name}"],
            env={**os.environ, **step.rig.environment()},
            capture_output=True,
            text=True,
            check=True,
        )
        (programs / name).symlink_to(found.stdout.strip())
    monkeypatch.setenv("PATH", str(programs))
    return step


def manifest_of(step: Step, tag: str) -> dict[str, Any]:
    """Return the manifest of a tag."""
    url = f"http://{step.rig.registry}/v2/{step.image}/manifests/{tag}"
    answer = httpx.get(url, headers={"accept": "application/vnd.oci.image.manifest.v1+json"})
    manifest: dict[str, Any] = answer.raise_for_status().json()
    return manifest


def file_system_at(sif: Path) -> int:
    """Return the offset of the file system."""
    with sif.open("rb") as file:
        head = file.read(40_000)
    kinds = [struct.unpack_from("<i?IIIqq", head, 4096 + 585 * number) for number in range(48)]
    return next(int(offset) for kind, _, _, _, _, offset, _ in kinds if kind == 0x4004)


def unpacked(sif: Path, tools: Path, into: Path) -> dict[str, Entry]:
    """Return what is in a SIF, by path."""
    offset = str(file_system_at(sif))
    subprocess.run(
        [tools / "unsquashfs", "-quiet", "-no-progress", "-dest", into, "-offset", offset, sif],
        check=True,
        capture_output=True,
    )
    entries = {}
    for place in into.rglob("*"):
        found = place.lstat()
        kind = stat.S_IFMT(found.st_mode)
        content: object = ""
        if stat.S_ISREG(found.st_mode):
            content = (place.read_bytes(), found.st_ino if found.st_nlink > 1 else 0)
        elif stat.S_ISLNK(found.st_mode):
            content = str(place.readlink())
        elif stat.S_ISCHR(found.st_mode):
            content = found.st_rdev
        mode = 0 if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode)
        entries[str(place.relative_to(into))] = (kind, mode, found.st_uid, found.st_gid, content)
    return with_links(entries)


def exported(step: Step, image: str, file: Path) -> dict[str, Entry]:
    """Return what a container of the engine has, by path."""
    container = step.docker("create", image)
    with file.open("wb") as out:
        env = {**os.environ, **step.rig.environment()}
        subprocess.run(["docker", "export", container], env=env, stdout=out, check=True)
    step.docker("rm", container)
    entries: dict[str, Entry] = {}
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.CHRTYPE: stat.S_IFCHR}
    kinds |= {tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.REGTYPE: stat.S_IFREG}
    with tarfile.open(file) as tar:
        members = {member.name.rstrip("/"): member for member in tar}
        linked = {member.linkname for member in members.values() if member.islnk()}
        for path, link in members.items():
            member = members[link.linkname] if link.islnk() else link
            content: object = ""
            if member.isreg():
                opened = tar.extractfile(member)
                assert opened
                content = (opened.read(), member.offset if member.name in linked else 0)
            elif member.issym():
                content = member.linkname
            elif member.ischr():
                content = os.makedev(member.devmajor, member.devminor)
            mode = 0 if member.issym() else member.mode
            entries[path] = (kinds[member.type], mode, member.uid, member.gid, content)
    return with_links(entries)


def with_links(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the entries with the paths of one file instead of its number."""
    paths: dict[object, list[str]] = {}
    for path in sorted(entries):
        content = entries[path][-1]
        if isinstance(content, tuple) and content[1]:
            paths.setdefault(content[1], []).append(path)
    return {
        path: (*entry[:-1], (entry[-1][0], paths.get(entry[-1][1]))) if isinstance(entry[-1], tuple) else entry
        for path, entry in entries.items()
    }


def test_a_sif_has_what_a_container_has_and_is_made_once(
    step: Step, squashfs_tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{squashfs_tools}{os.pathsep}{os.environ['PATH']}")
    step = replace(step, inputs={"sif": "true", "environment": "default", "instructions": CHANGES})
    outcome = step.run(tags="type=raw,value=one", flavor="latest=false")
    assert outcome.code == 0, outcome.log
    image, digest, name = outcome.outputs["image"], outcome.outputs["digest"], f"{step.rig.registry}/{step.image}"
    assert outcome.outputs["sif"] == f"oras://{name}:one-sif"
    assert f"apptainer pull oras://{name}:one-sif" in outcome.summary
    assert outcome.left_in_temp == []
    tags = step.tags()
    assert tags.keys() == {"one", "one-sif"}

    manifest = manifest_of(step, "one-sif")
    assert manifest["config"] == {
        "mediaType": "application/vnd.sylabs.sif.config.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    }
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.sylabs.sif.layer.v1.sif"
    assert layer["annotations"]["org.opencontainers.image.title"] == f"{step.image.rpartition('/')[2]}.sif"
    annotations = manifest["annotations"]
    assert annotations["pixi-container.sif-of"] == digest
    assert annotations["org.opencontainers.image.revision"] == step.repository.git("rev-parse", "HEAD")
    assert annotations["pixi-container.fingerprint"].startswith(outcome.outputs["image-fingerprint"])
    assert registry_tags(step.rig.registry, step.image, ours=True)[f"sif-{digest[7:23]}"] == tags["one-sif"]

    sif = tmp_path / "image.sif"
    sif.write_bytes(httpx.get(f"http://{step.rig.registry}/v2/{step.image}/blobs/{layer['digest']}").content)
    step.docker("pull", "--quiet", image)
    there = unpacked(sif, squashfs_tools, tmp_path / "unpacked")
    wanted = exported(step, image, tmp_path / "exported.tar")
    differing = {path for path in there.keys() | wanted.keys() if there.get(path) != wanted.get(path)}
    assert {path for path in differing if path.split("/")[0] not in OF_APPTAINER | OF_ENGINE} <= OF_ENGINE
    assert not {"srv/gone", "srv/full/deep"} & there.keys()
    variables = (tmp_path / "unpacked/.singularity.d/env/10-docker2singularity.sh").read_text()
    assert "export CONDA_PREFIX=/app/.pixi/envs/default\n" in variables

    monkeypatch.setenv("PATH", path)
    again = step.run(tags="type=raw,value=one\ntype=raw,value=two", flavor="latest=false")
    assert again.code == 0, again.log
    assert again.outputs["decision"] != "build"
    assert "made in" not in again.log
    assert step.tags() == {**tags, "two": tags["one"], "two-sif": tags["one-sif"]}


def test_a_machine_that_cannot_make_a_sif_says_so_before_it_builds(bare: Step) -> None:
    outcome = bare.run(sif="true", environment="default")
    assert outcome.code == 5
    assert "'sif' needs the program 'sqfstar'" in outcome.errors[0]
    assert "apt-get install -y squashfs-tools" in outcome.errors[0]
    assert bare.tags() == {}


def test_a_pull_request_makes_no_sif(bare: Step) -> None:
    outcome = bare.run("pull_request", "refs/pull/7/merge", {"number": 7}, sif="true", environment="default")
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["sif"] == ""
    assert registry_tags(bare.rig.registry, bare.image, ours=True) == {}


def test_a_sif_that_fails_leaves_the_image_published(
    bare: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sqfstar").write_text("#!/bin/sh\necho no room\nexit 1\n")
    (broken / "sqfstar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}{os.pathsep}{os.environ['PATH']}")
    outcome = bare.run(sif="true", environment="default")
    assert outcome.code == 6
    assert "is published, but its SIF is not: " in outcome.errors[0]
    assert "no room" in outcome.errors[0]
    assert bare.tags()
    assert not [tag for tag in bare.tags() if tag.endswith("-sif")]
    assert outcome.left_in_temp == []

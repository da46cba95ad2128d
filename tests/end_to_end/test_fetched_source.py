"""Packages whose source is fetched: from Git, public and private, and source distributions with a URL."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Step
from tests.end_to_end.forge import PASSWORD, USER, Forge, containers_see, serving_forge
from tests.rig import debian, solve
from tests.rig.base.rootfs import SUITE
from tests.rig.conda_archive import Package, write
from tests.rig.folders import Folders
from tests.rig.rig import Rig
from tests.unit.environment.archives import wheel

pytestmark = pytest.mark.engine

MANIFEST = """\
[workspace]
name = "study"
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.11.*"

[pypi-dependencies]
"""
PROJECT = """\
[project]
name = "{name}"
version = "1.0"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""
# Git with the libraries that its base does not have: a container of the rig reaches no package archive.
GIT_DEBS = [
    *("git", "libbrotli1", "libcurl3-gnutls", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3"),
    *("libkrb5support0", "libldap-2.5-0", "libnghttp2-14", "libpsl5", "librtmp1", "libsasl2-2", "libssh2-1"),
    *(
        "libssl3",
        "libp11-kit0",
        "libffi8",
        "libgnutls30",
        "libhogweed6",
        "libnettle8",
        "libidn2-0",
        "libunistring2",
    ),
    *("libtasn1-6", "libgmp10"),
]


def files(name: str, answer: int) -> dict[str, str]:
    """Return a Python package's files."""
    return {"pyproject.toml": PROJECT.format(name=name), f"{name}.py": f"ANSWER = {answer}\n"}


@pytest.fixture(scope="module")
def builder_with_git(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The builder image, with Git where the build could not install it."""
    if not rig.channel_is_stand_in:
        return ""
    context = tmp_path_factory.mktemp("git")
    cache = Folders.from_environment(os.environ).cache / "debs"
    for deb in debian.fetch(GIT_DEBS, suite=SUITE, into=cache).values():
        debian.unpack(deb, context / "unpacked")
    for folder in ("usr/bin", "usr/lib/git-core", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"):
        into = context / "usr" / folder.removeprefix("usr/")
        shutil.copytree(context / "unpacked" / folder, into, symlinks=True, dirs_exist_ok=True)
    (context / "Dockerfile").write_text(f"FROM {rig.pixi_image}\nCOPY usr/ /usr/\n")
    (context / ".dockerignore").write_text("unpacked\n")
    image = f"{rig.registry}/corporate/pixi:git"
    step = Step(rig, repository=None, folder=context)  # type: ignore[arg-type]
    step.docker("buildx", "build", "--output", "type=registry", "--tag", image, str(context))
    return image


@pytest.fixture
def forge(rig: Rig, tmp_path: Path) -> Iterator[Forge]:
    """An empty forge."""
    folder = tmp_path / "forge"
    folder.mkdir()
    with serving_forge(containers_see(rig), folder) as made:
        yield made


@pytest.fixture
def fetching(step: Step, builder_with_git: str) -> Step:
    """A step that ships an environment of Python alone, on a base without Git."""
    shutil.rmtree(step.repository.study)
    step.repository.study.mkdir()
    given = {"environment": "default", "runtime_image": step.rig.slim_image, "pixi_image": builder_with_git}
    return replace(step, inputs={name: value for name, value in given.items() if value})


def depend(step: Step, *dependencies: str) -> None:
    """Commit a workspace that depends on PyPI packages, with its lock."""
    (step.repository.study / "pixi.toml").write_text(MANIFEST + "\n".join(dependencies) + "\n")
    solve.lock(step.repository.study / "pixi.toml", channel=step.rig.channel)
    step.repository.commit()


def git_dependency(forge: Forge, path: str, name: str, answer: int) -> str:
    """Return the manifest's entry for a package from a new commit in the repository at a path."""
    rev = forge.commit(path, files(name, answer))
    return f'{name} = {{ git = "{forge.url(path)}/.git", rev = "{rev}" }}'


def sdist_dependency(forge: Forge, path: str, name: str, answer: int) -> str:
    """Return the manifest's entry for a source distribution at a path."""
    archive = forge.folder / path
    archive.parent.mkdir(parents=True, exist_ok=True)
    source = forge.folder / f"{name}-1.0"
    source.mkdir()
    for file, text in files(name, answer).items():
        (source / file).write_text(text)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, source.name)
    return f'{name} = {{ url = "{forge.url(path)}" }}'


def test_they_are_added_to_an_environment_straight_from_the_lock(fetching: Step, forge: Forge) -> None:
    sdist = sdist_dependency(forge, "made-1.0.tar.gz", "made", 3)
    check = "cd /; python -c 'import tool, made; print(\"answers\", tool.ANSWER, made.ANSWER)'; ! command -v git"
    depend(fetching, git_dependency(forge, "tool", "tool", 41), sdist)
    outcome = fetching.run(test_command=check)
    assert outcome.code == 0, outcome.log
    assert "answers 41 3" in outcome.log
    assert "straight from the lock" in outcome.log
    assert "[build " not in outcome.log
    look = ("bash", "-c", "ls /app/.pixi/envs/default/lib/python3.11/site-packages; ls /tmp /root /mnt")
    image = outcome.outputs["image"]
    listed = fetching.docker("run", "--rm", "--entrypoint", "bash", image, *look[1:])
    assert "tool-1.0.dist-info" in listed
    assert not {"home", ".gitconfig", "pixi", "start"} & set(listed.split())
    fetching.docker("image", "rm", image)
    # A new commit is a new image on the same environment.
    depend(fetching, git_dependency(forge, "tool", "tool", 42), sdist)
    again = fetching.run(test_command=check)
    assert again.code == 0, again.log
    assert "answers 42 3" in again.log
    assert again.outputs["fingerprint"] == outcome.outputs["fingerprint"]
    assert again.outputs["image-fingerprint"] != outcome.outputs["image-fingerprint"]


def test_they_are_added_to_an_environment_that_pixi_installs(fetching: Step, forge: Forge) -> None:
    depend(
        fetching, git_dependency(forge, "tool", "tool", 41), sdist_dependency(forge, "made-1.0.tar.gz", "made", 3)
    )
    check = "cd /; python -c 'import tool, made; print(\"answers\", tool.ANSWER, made.ANSWER)'"
    outcome = fetching.run(push="false", test_command=check, environment_builder="docker")
    assert outcome.code == 0, outcome.log
    assert "answers 41 3" in outcome.log
    assert "--skip made --skip tool" in outcome.log


def test_a_private_repository_needs_credentials_which_are_not_in_the_image(fetching: Step, forge: Forge) -> None:
    depend(fetching, git_dependency(forge, "private/secret", "secret", 7))
    check = "cd /; python -c 'import secret; print(\"answer\", secret.ANSWER)'"
    refused = fetching.run(test_command=check)
    assert refused.code != 0
    (error,) = refused.errors
    assert "could not read Username" in error
    assert "'git-auth'" in error
    outcome = fetching.run(test_command=check, git_auth=f"http://{USER}:{PASSWORD}@{forge.address}")
    assert outcome.code == 0, outcome.log
    assert "answer 7" in outcome.log
    shown = "\n".join(line for line in outcome.log.splitlines() if not line.startswith("::add-mask::"))
    assert PASSWORD not in shown + outcome.summary + json.dumps(outcome.outputs)
    archive = fetching.folder / "image.tar"
    image = outcome.outputs["image"]
    fetching.docker("pull", "--quiet", image)
    fetching.docker("save", "--output", str(archive), image)
    assert PASSWORD.encode() not in archive.read_bytes()
    search = f"grep -rl {PASSWORD} /app /etc /root /tmp || true"
    script = f"find / -xdev -name 'git-auth*' -o -xdev -name .gitconfig; {search}"
    assert fetching.docker("run", "--rm", image, "bash", "-c", script) == ""
    fetching.docker("image", "rm", image)


@pytest.mark.parametrize("builder", ["direct", "docker"])
def test_a_wheel_of_a_private_index_is_downloaded_with_the_credentials_of_channels(
    fetching: Step, forge: Forge, tmp_path: Path, builder: str
) -> None:
    made = wheel(tmp_path, "hidden", {"hidden.py": "ANSWER = 9\n"})
    for folder in ("public", "private"):
        (forge.folder / folder).mkdir()
        shutil.copy(made, forge.folder / folder)
    depend(fetching, f'hidden = {{ url = "{forge.url(f"public/{made.name}")}" }}')
    for name in ("pixi.toml", "pixi.lock"):
        file = fetching.repository.study / name
        file.write_text(file.read_text().replace("/public/", "/private/"))
    shutil.rmtree(forge.folder / "public")
    lock = fetching.repository.study / "pixi.lock"
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    lock.write_text(lock.read_text().replace("  name: hidden\n", f"  name: hidden\n  sha256: {digest}\n"))
    fetching.repository.commit()
    check = "cd /; python -c 'import hidden; print(\"answer\", hidden.ANSWER)'"
    secret = json.dumps({forge.address.partition(":")[0]: {"BasicHTTP": {"username": USER, "password": PASSWORD}}})
    hiding = replace(
        fetching,
        inputs={**fetching.inputs, "push": "false", "test_command": check, "environment_builder": builder},
    )
    refused = hiding.run()
    assert refused.code != 0
    assert "'conda-auth'" in refused.errors[0]
    outcome = hiding.run(conda_auth=secret)
    assert outcome.code == 0, outcome.log
    assert "answer 9" in outcome.log


def test_post_link_scripts_run_where_the_workspace_allows_it(fetching: Step, forge: Forge, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    script = tree / "bin/.linked-post-link.sh"
    script.parent.mkdir(parents=True)
    script.write_text('#!/bin/bash\necho ran > "$PREFIX/share/linked"\n')
    script.chmod(0o755)
    (tree / "share").mkdir()
    (tree / "share/kept").touch()
    package = Package(
        name="linked", version="1.0", build="h0_0", subdir="linux-64", license="MIT", summary="has a script"
    )
    archive = write(package, tree, forge.folder / "channel")
    manifest, lock = (fetching.repository.study / name for name in ("pixi.toml", "pixi.lock"))
    channel = f'["conda-forge", "{forge.url("channel")}"]'
    manifest.write_text(MANIFEST.replace('["conda-forge"]', channel))
    solve.lock(manifest, channel=fetching.rig.channel)
    manifest.write_text(manifest.read_text().replace("[dependencies]\n", '[dependencies]\nlinked = "*"\n'))
    url = forge.url(f"channel/linux-64/{archive.name}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    text = lock.read_text().replace("      linux-64:\n", f"      linux-64:\n      - conda: {url}\n")
    entry = f"- conda: {url}\n  sha256: {digest}\n  size: {archive.stat().st_size}\n"
    lock.write_text(text.replace("\npackages:\n", f"\npackages:\n{entry}", 1))
    config = fetching.repository.study / ".pixi/config.toml"
    config.parent.mkdir()
    config.write_text('run-post-link-scripts = "insecure"\n')
    fetching.repository.git("add", "--force", ".")
    fetching.repository.commit()
    outcome = fetching.run(push="false", test_command='cat "$CONDA_PREFIX/share/linked"')
    assert outcome.code == 0, outcome.log
    assert "'.pixi/config.toml' sets 'run-post-link-scripts', which only Pixi follows" in outcome.log
    assert "not run:" not in outcome.log
    assert "ran" in outcome.log.splitlines()

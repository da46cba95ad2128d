"""Base images, packages, emulation and builders for more platforms than the machine's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from rattler import LockFile

from tests.rig import emulation, registry_front, solve, synthetic
from tests.rig import rig as rig_module
from tests.rig.base import BOTH, Pixi, rootfs
from tests.rig.errors import UnavailableError
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from tests.rig.rig import Rig

ROOT = Path(__file__).parents[2]
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = """\
[workspace]
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64"]

[dependencies]
python = "3.11.*"
numpy = "*"
tqdm = "*"
proj = "*"
"""
"""Compiled packages, one for any platform, and one with a script in activate.d."""
LOOK = "import os, platform, numpy, tqdm; print(platform.machine(), numpy.arange(3), os.environ['PROJ_DATA'])"
COPIES = "FROM {image}\nARG BUILDPLATFORM\nCOPY Dockerfile /copied\nLABEL made-on=$BUILDPLATFORM\n"
RUNS = "FROM {image}\nRUN uname -m > /machine # {nonce}\n"
KILLED = """\
import signal, sys
from pathlib import Path
from tests.rig import emulation

with emulation.present(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: None):
    print("registered", flush=True)
    signal.pause()
"""


def docker(rig: Rig, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **rig.environment()}
    return subprocess.run(
        ["docker", *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def run_arm64(rig: Rig, image: str, *command: str) -> subprocess.CompletedProcess[str]:
    return docker(rig, "run", "--rm", "--platform", "linux/arm64", image, *command)


def build(rig: Rig, builder: str, text: str, folder: Path, *platforms: str) -> tuple[str, str]:
    """Build a Dockerfile for platforms and push it; the name of the image, and what was said when that fails."""
    written = text.format(image=rig.slim_image, nonce=uuid4().hex)  # or a daemon that was up has it from before
    (folder / "Dockerfile").write_text(written, encoding="utf-8")
    image = f"{rig.registry}/built/{folder.name}"
    options = ("--builder", builder, "--platform", ",".join(platforms), "--provenance=false", "--push")
    done = docker(rig, "buildx", "build", *options, "--tag", image, ".", folder=folder)
    return image, done.stderr if done.returncode else ""


def index(image: str) -> dict[str, dict[str, Any]]:
    """The entries of an index by platform."""
    registry, _, name = image.partition("/")
    name, _, tag = name.partition(":")
    url = f"http://{registry}/v2/{name}/manifests/{tag or 'latest'}"
    manifests = httpx.get(url, headers={"accept": INDEX}).raise_for_status().json()["manifests"]
    return {"/".join((each["platform"]["os"], each["platform"]["architecture"])): each for each in manifests}


def labels(image: str, entry: dict[str, Any]) -> dict[str, str]:
    """The labels of the image that an index's entry is about."""
    registry, _, name = image.partition("/")
    repository = f"http://{registry}/v2/{name}"
    manifest = httpx.get(f"{repository}/manifests/{entry['digest']}", headers={"accept": IMAGE}).json()
    return dict(httpx.get(f"{repository}/blobs/{manifest['config']['digest']}").json()["config"]["Labels"])


def test_images_for_amd64_are_the_same_in_the_index_of_both_platforms(rig: Rig, rig_with_arm64: Rig) -> None:
    if not rig.channel_is_stand_in:
        pytest.skip("the images are those of their registries")
    for one, both in ((f"{rig.pixi_image}:latest", rig_with_arm64.pixi_image), (rig.slim_image, "")):
        image = f"{both}:latest" if both else rig_with_arm64.slim_image
        assert image == one.replace("/", f"/{BOTH}", 1)
        assert set(index(image)) == {"linux/amd64", "linux/arm64"}
        assert index(one) == {"linux/amd64": index(image)["linux/amd64"]}


def test_a_given_pixi_is_for_amd64_alone(tmp_path: Path) -> None:
    given = Pixi("9.9.9", tmp_path / "pixi", "0" * 64)
    with pytest.raises(UnavailableError, match=r"pixi 9\.9\.9 at .* is not for linux-aarch64"):
        rootfs.pixi(tmp_path, given, print, "linux-aarch64")


def test_without_emulation_an_image_for_arm64_does_not_run(rig_with_arm64: Rig, not_emulated: None) -> None:
    assert not emulation.is_present()
    done = run_arm64(rig_with_arm64, rig_with_arm64.slim_image, "uname", "-m")
    assert "exec format error" in done.stderr
    assert done.returncode != 0


def test_with_emulation_an_image_for_arm64_runs(rig_with_arm64: Rig, emulated: None) -> None:
    assert emulation.is_present()
    image = f"{rig_with_arm64.pixi_image}:latest"
    checks = "uname -m; dpkg --print-architecture; dpkg --audit; apt-get -qq check; awk 'BEGIN {print 1 + 1}'"
    assert run_arm64(rig_with_arm64, image, "sh", "-ec", checks).stdout.split() == ["aarch64", "arm64", "2"]
    for name, architecture in (("bash", "arm64"), ("ca-certificates", "all")):
        shown = run_arm64(rig_with_arm64, image, "dpkg-query", "--show", "-f", "${Architecture} ${Status}", name)
        assert shown.stdout == f"{architecture} install ok installed"


def test_emulation_ends_with_its_context(rig: Rig) -> None:
    folders = Folders.from_environment(os.environ)
    try:
        with rig_module.not_emulated(folders, print):
            pass
        with rig_module.emulated(folders, print):
            assert emulation.is_present()
    except emulation.UnavailableError as error:
        pytest.skip(str(error))
    assert not emulation.is_present()
    assert not (folders.state / "binfmt_misc").exists()


def test_emulation_that_a_killed_process_left_is_gone_after_up(rig: Rig) -> None:
    folders = Folders.from_environment(os.environ)
    try:
        with rig_module.not_emulated(folders, print):
            pass
        with rig_module.emulated(folders, print):
            pass
    except emulation.UnavailableError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-c", KILLED, str(folders.cache), str(folders.state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "registered\n"
            assert rig_module.up(folders, print) == rig
            assert emulation.is_present(), "it is no leftover while its process lives"
        finally:
            process.kill()
    assert emulation.is_present()
    assert rig_module.up(folders, print) == rig
    assert not emulation.is_present()
    assert not (folders.state / "binfmt_misc").exists()


def test_packages_of_a_lock_for_both_platforms(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(MANIFEST, encoding="utf-8")
    solve.lock(tmp_path / "pixi.toml", channel=rig.channel)
    environment = LockFile.from_path(tmp_path / "pixi.lock").default_environment()
    assert environment
    names = {}
    for platform in environment.platforms():
        records = environment.conda_repodata_records_for_platform(platform) or []
        names[platform.name] = {record.name.normalized for record in records}
        assert {record.subdir for record in records} == {platform.name, "noarch"}
    assert set(names) == {"linux-64", "linux-aarch64"}
    assert names["linux-64"] == names["linux-aarch64"] > {"python", "numpy", "tqdm", "proj"}


def test_made_up_packages_for_both_platforms(tmp_path: Path) -> None:
    shape = synthetic.Shape(packages=2, files=2, megabytes=2)
    channel = synthetic.channel(shape, tmp_path, ("linux-64", "linux-aarch64"))
    found = {
        subdir: json.loads((channel / subdir / "repodata.json").read_text(encoding="utf-8"))["packages.conda"]
        for subdir in ("linux-64", "linux-aarch64")
    }
    native, foreign = found.values()
    assert set(native) == set(foreign)
    assert {record["subdir"] for record in foreign.values()} == {"linux-aarch64"}
    assert not {record["sha256"] for record in native.values()} & {record["sha256"] for record in foreign.values()}


@pytest.mark.slow
def test_packages_for_arm64_run(rig_with_arm64: Rig, emulated: None, tmp_path: Path) -> None:
    rig = rig_with_arm64
    (tmp_path / "pixi.toml").write_text(MANIFEST, encoding="utf-8")
    solve.lock(tmp_path / "pixi.toml", channel=rig.channel)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {rig.pixi_image}\nWORKDIR /app\nCOPY pixi.toml pixi.lock ./\nRUN pixi install --locked\n"
        f'RUN pixi run python -c "{LOOK}" > /said\n'
        "FROM scratch\nCOPY --from=0 /said /\n",
        encoding="utf-8",
    )
    done = docker(rig, "build", "--platform", "linux/arm64", "--output", "out", ".", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "out/said").read_text(encoding="utf-8")
    assert said == "aarch64 [0 1 2] /app/.pixi/envs/default/share/proj\n"


def test_two_nodes_build_what_only_copies_without_emulation(
    rig_with_arm64: Rig, two_nodes: str, not_emulated: None, tmp_path: Path
) -> None:
    shown = docker(rig_with_arm64, "buildx", "inspect", two_nodes).stdout
    platforms = [line.split()[1:] for line in shown.splitlines() if line.startswith("Platforms:")]
    assert [nodes[0].rstrip(",") for nodes in platforms] == ["linux/amd64*", "linux/arm64*"]
    assert shown.count("running") == 2
    both = ("linux/amd64", "linux/arm64")
    image, wrong = build(rig_with_arm64, two_nodes, COPIES, tmp_path, *both)
    assert not wrong
    assert {platform: labels(image, entry)["made-on"] for platform, entry in index(image).items()} == {
        platform: platform for platform in both
    }
    _, wrong = build(rig_with_arm64, two_nodes, RUNS, tmp_path, *both)
    assert "exec format error" in wrong


def test_two_nodes_run_instructions_with_emulation(
    rig_with_arm64: Rig, two_nodes: str, emulated: None, tmp_path: Path
) -> None:
    image, wrong = build(rig_with_arm64, two_nodes, RUNS, tmp_path, "linux/amd64", "linux/arm64")
    assert not wrong
    assert run_arm64(rig_with_arm64, image, "cat", "/machine").stdout == "aarch64\n"


def test_requests_of_one_run_by_call(rig: Rig) -> None:
    with registry_front.in_front_of(rig.registry) as front:
        repository = f"http://{front.address}/v2/lab/counted"
        httpx.get(f"{repository}/tags/list")
        with front.recording() as requests:
            for digit in "12":
                httpx.head(f"{repository}/blobs/sha256:{digit * 64}")
            httpx.get(f"{repository}/manifests/latest")
            place = httpx.post(f"{repository}/blobs/uploads/").headers["location"]
            httpx.delete(place)
        httpx.get(f"{repository}/tags/list")
    assert requests[2] == "GET /v2/lab/counted/manifests/latest"
    assert registry_front.by_call(requests) == {
        "HEAD blobs": 2,
        "GET manifests": 1,
        "POST uploads": 1,
        "DELETE uploads": 1,
    }
    assert registry_front.by_call(front.requests)["GET tags/list"] == 2

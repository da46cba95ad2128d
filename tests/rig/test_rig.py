from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.rig import buildkit, daemon, engine, rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders

if TYPE_CHECKING:
    from collections.abc import Iterator

_BRIDGE = f"rigtest{os.getpid()}"


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    """A state folder beside that of the rig which other tests may be using; the cache is shared."""
    for name in ("DOCKER_HOST", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    # Not pytest's own folder, whose path can be too long for a socket.
    parent = Path(tempfile.mkdtemp(prefix="rig-"))
    folders = Folders(state=parent / "state", cache=Folders.from_environment(os.environ).cache)
    yield folders
    rig.down(folders, print)
    shutil.rmtree(parent)


def test_up_again_gives_the_running_rig(folders: Folders) -> None:
    running = rig.up(folders, print)
    assert rig.up(folders, print) == running
    assert [component for component in rig.status(folders) if not component.healthy] == []


def test_one_registry_wants_the_password(folders: Folders) -> None:
    running = rig.up(folders, print)
    address = f"http://{running.password_registry}/v2/"
    assert httpx.get(f"http://{running.registry}/v2/").status_code == 200
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, auth=(running.username, "wrong")).status_code == 401
    assert httpx.get(address, auth=(running.username, running.password)).status_code == 200


def test_a_killed_rig_is_cleaned_by_the_next_up(folders: Folders) -> None:
    killed = rig.up(folders, print)
    _start_a_container(killed)
    for pid in list(daemon._processes(folders.state, "")):
        # One whose parent is killed may end by itself.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    fresh = rig.up(folders, print)
    assert fresh.password != killed.password
    assert [component for component in rig.status(folders) if not component.healthy] == []
    if fresh.docker_host:
        assert _docker(fresh, "ps", "--all", "--quiet") == ""
        assert _docker(fresh, "images", "--all", "--quiet") == ""


def test_a_given_pixi_is_in_the_builder_image_until_it_is_given_no_more(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pixi"
    program.write_text("#!/bin/sh\necho pixi 9.9.9\n")
    program.chmod(0o700)
    monkeypatch.setenv("PIXI_CONTAINER_PIXI", str(program))
    running = rig.up(folders, print)
    assert (running.pixi, running.pixi_is_stand_in) == (f"pixi 9.9.9 at {program}", False)
    look = "pixi --version; stat --format %a /usr/local/bin/pixi; cat /etc/pixi/config.toml"
    said = _docker(running, "run", "--rm", f"{running.pixi_image}:9.9.9-noble", "sh", "-c", look).splitlines()
    assert said[:3] == ["pixi 9.9.9", "555", "[mirrors]"]
    assert rig.up(folders, print) == running
    monkeypatch.delenv("PIXI_CONTAINER_PIXI")
    other = rig.up(folders, print)
    assert "9.9.9" not in other.pixi
    with pytest.raises(subprocess.CalledProcessError):
        _docker(other, "run", "--rm", f"{other.pixi_image}:9.9.9-noble", "pixi", "--version")


def test_a_given_pixi_that_needs_newer_libraries_is_refused(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pixi"
    program.write_text(f"#!{sys.executable}\nprint('pixi 9.9.9')\n")
    program.chmod(0o700)
    monkeypatch.setenv("PIXI_CONTAINER_PIXI", str(program))
    with pytest.raises(RigError, match=r"pixi 9\.9\.9 at .* does not run in the builder image"):
        rig.up(folders, print)


def test_down_leaves_nothing(folders: Folders) -> None:
    before = _traces(folders)
    running = rig.up(folders, print)
    _start_a_container(running)
    assert _traces(folders) != before
    rig.down(folders, print)
    assert _traces(folders) == before
    rig.down(folders, print)


def test_a_builder_of_two_daemons_that_forgets_when_told(folders: Folders, tmp_path: Path) -> None:
    before = _traces(folders)
    running = rig.up(folders, print)
    try:
        addresses = [rig.start_buildkit(folders, print, name=name) for name in ("one", "two")]
    except buildkit.UnavailableError as error:
        pytest.skip(str(error))
    assert rig.start_buildkit(folders, print, name="one") == addresses[0]
    assert [component for component in rig.status(folders) if not component.healthy] == []
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    environment = running.environment()
    with buildkit.builder(*addresses, environment=environment) as name:
        assert _docker(running, "buildx", "inspect", name).count("running") == len(addresses)
        image = f"{running.registry}/built"
        _docker(running, "buildx", "build", "--builder", name, "--push", "--tag", image, os.fspath(tmp_path))
        assert httpx.get(f"http://{running.registry}/v2/built/tags/list").json()["tags"] == ["latest"]
        assert _cached(running, name)
        buildkit.prune(name, environment=environment)
        assert not _cached(running, name)
    buildkit.stop("one", state=folders.state)
    assert [component for component in rig.status(folders) if not component.healthy] == []
    rig.down(folders, print)
    assert _traces(folders) == before


def _cached(running: rig.Rig, builder: str) -> bool:
    return "ID:" in _docker(running, "buildx", "du", "--builder", builder, "--verbose")


def _start_a_container(running: rig.Rig) -> None:
    """One that goes on running, on a network of its own, where the engine is the rig's."""
    if running.docker_host:
        _docker(running, "network", "create", "--opt", f"com.docker.network.bridge.name={_BRIDGE}", "own")
        sleep = ["--entrypoint", "sleep", running.slim_image, "infinity"]
        _docker(running, "run", "--detach", "--network", "own", *sleep)


def _docker(running: rig.Rig, *arguments: str) -> str:
    environment = {**os.environ, **running.environment()}
    done = subprocess.run(["docker", *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _traces(folders: Folders) -> dict[str, object]:
    """All that a rig can leave on a machine."""
    identity = engine._identity(folders.state)
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return {
        "files": sorted(folders.state.parent.iterdir()),
        "processes": list(daemon._processes(folders.state, "")),
        "mounts": [line for line in mounts if str(folders.state) in line],
        "interfaces": [name for name in (identity, _BRIDGE) if Path("/sys/class/net", name).exists()],
        "control groups": sorted(Path("/sys/fs/cgroup").glob(f"**/{identity}")),
    }

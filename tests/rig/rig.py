"""The rig as a whole: what is running, how to reach it, and bringing it up and down."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import httpx

from tests.rig import base, buildkit, conda_packages, daemon, emulation, engine, registry
from tests.rig.channel import mirrors
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.rig.folders import Folders

T = TypeVar("T")

ARM64 = "linux/arm64"
_OFFICIAL = "pixi of its official image"
_CONDA_FORGE = "https://conda.anaconda.org/conda-forge/"
_CHANNEL_PORT = 8317
_CHANNEL_READY_SECONDS = 15
_REACHABLE_SECONDS = 3
_USERNAME = "rig"


@dataclass(frozen=True, kw_only=True)
class Rig:
    """How to reach a running rig. A registry's address is `host:port`; a channel's is a URL that ends with `/`."""

    docker_host: str
    """Value for DOCKER_HOST; empty when the machine's own Docker is used, as are the next two."""
    docker_config: str
    """Folder for DOCKER_CONFIG, where buildx is a plugin."""
    path: str
    """Folder to put in front of PATH; empty when the machine's docker command is good enough."""
    registry: str
    """Open to all."""
    password_registry: str
    """Wants `username` and `password`."""
    username: str
    password: str
    pixi_image: str
    """Repository of the builder image, without a tag."""
    slim_image: str
    """A small Debian image, with its tag."""
    pixi: str
    """What is in the builder image, for people."""
    pixi_sha256: str | None
    """Of the program that was given for it; None for the stand-in and for the official image."""
    pixi_is_stand_in: bool
    channel: str
    """The conda channel as this machine reaches it."""
    channel_is_stand_in: bool
    pixi_home: str
    """Folder with a configuration of pixi that puts the channel in conda-forge's place; empty without need."""
    mirror: str
    """The channel as build containers reach it; empty where that is conda-forge."""

    def environment(self) -> dict[str, str]:
        """The variables with which docker reaches the rig's engine, and the product the rig's channel."""
        variables = {
            "DOCKER_HOST": self.docker_host,
            "DOCKER_CONFIG": self.docker_config,
            "PIXI_HOME": self.pixi_home,
        }
        if self.path:
            variables["PATH"] = os.pathsep.join([self.path, os.environ.get("PATH", os.defpath)])
        return {name: value for name, value in variables.items() if value}

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Rig:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class ComponentStatus:
    component: str
    healthy: bool
    detail: str


def up(folders: Folders, say: Callable[[str], None]) -> Rig:
    """The running rig; brought up when it is not, or not whole.

    What a killed rig left behind is cleaned first, and a rig that does not come up leaves nothing.
    Raises RigError.
    """
    if sys.platform != "linux":
        msg = "the rig needs Linux; elsewhere run it in a Linux virtual machine"
        raise RigError(msg)
    given = base.given(os.environ)
    emulation.remove_leftover(folders.state)
    with _locked(folders, say):
        rig = _recorded(folders)
        if rig and _fits(rig, given) and all(component.healthy for component in _components(rig, folders)):
            return rig
        _clean(folders)
        try:
            folders.state.mkdir(parents=True, mode=0o700)
            rig = _start(folders, given, say)
            _record(folders).write_text(rig.to_json(), encoding="utf-8")
        except BaseException:
            _clean(folders)
            raise
        return rig


def with_arm64(folders: Folders, say: Callable[[str], None]) -> Rig:
    """The running rig with other base images: indexes of linux/amd64 and linux/arm64, made without emulation.

    `pixi_image` and `slim_image` are the only fields that differ, and their amd64 images are the same. `up` makes
    none, as few need them. Raises errors.UnavailableError where the pixi that was given is for amd64 alone, and
    RigError.
    """
    rig = running(folders)
    if not rig.channel_is_stand_in:
        return rig
    pixi = base.given(os.environ) or base.STAND_IN
    push = partial(base.push, folders.cache, pixi=pixi, registry=rig.registry, mirror=rig.mirror, say=say)
    with _locked(folders, say):
        _timed(say, "base images of two platforms pushed", partial(push, with_arm64=True))
    below = f"{rig.registry}/{base.BOTH}"
    pixi_image, slim_image = (
        image.replace(f"{rig.registry}/", below) for image in (rig.pixi_image, rig.slim_image)
    )
    return replace(rig, pixi_image=pixi_image, slim_image=slim_image)


@contextmanager
def emulated(folders: Folders, say: Callable[[str], None]) -> Iterator[None]:
    """Lets this machine run images for arm64 by QEMU, for as long as the context lasts.

    Raises emulation.UnavailableError.
    """
    running(folders)
    with emulation.present(folders.cache, folders.state, say):
        yield


@contextmanager
def not_emulated(folders: Folders, say: Callable[[str], None]) -> Iterator[None]:
    """Makes sure that this machine runs no images for arm64 for as long as the context lasts.

    Raises emulation.UnavailableError where it does so by itself.
    """
    with emulation.absent(folders.state, say):
        yield


@contextmanager
def one_platform(folders: Folders, say: Callable[[str], None]) -> Iterator[str]:
    """The name of a builder that runs instructions for linux/amd64 alone, whatever this machine emulates.

    Raises buildkit.UnavailableError and RigError.
    """
    address = start_buildkit(folders, say, name="buildkit-amd64", platform="linux/amd64")
    with buildkit.builder(address, environment=running(folders).environment()) as name:
        yield name


@contextmanager
def two_nodes(folders: Folders, say: Callable[[str], None]) -> Iterator[str]:
    """The name of a builder with a node for linux/amd64 and one for linux/arm64, each a daemon of its own.

    The second runs instructions where there is emulation. Raises buildkit.UnavailableError and RigError.
    """
    platforms = {address: platform for platform, address in two_daemons(folders, say).items()}
    with buildkit.builder(*platforms, environment=running(folders).environment(), platforms=platforms) as name:
        yield name


def two_daemons(folders: Folders, say: Callable[[str], None]) -> Mapping[str, str]:
    """The addresses of the daemons of `two_nodes` by their platform. Raises the same."""
    return {
        "linux/amd64": start_buildkit(folders, say),
        ARM64: start_buildkit(folders, say, name="buildkit-arm64", platform=ARM64),
    }


def start_buildkit(
    folders: Folders, say: Callable[[str], None], *, name: str = "buildkit", platform: str = ""
) -> str:
    """The address of a BuildKit daemon beside the running rig; started when it does not answer.

    `up` starts none, as few need it. Each name is a daemon with a cache of its own, and has one `platform`:
    that of the machine, and what it emulates, when it is empty.
    Raises buildkit.UnavailableError where this machine can have none, and RigError.
    """
    # Not under the lock, which others would wait for.
    program = _timed(say, "buildkitd installed", lambda: buildkit.install(folders.cache, say))
    with _locked(folders, say):
        running(folders)
        address = buildkit.started(folders.state).get(name, "")
        if address and buildkit.healthy(address):
            return address
        daemon.stop(folders.state, name)
        start = partial(
            buildkit.start,
            name,
            program=program,
            cache=folders.cache,
            state=folders.state,
            platform=platform,
        )
        return _timed(say, f"{name} started", start)


def down(folders: Folders, say: Callable[[str], None]) -> None:
    """Ends every process of the rig and removes its state folder, also after a crash. Raises RigError."""
    with _locked(folders, say):
        _timed(say, "down", lambda: _clean(folders))


@contextmanager
def borrowed(folders: Folders, say: Callable[[str], None]) -> Iterator[Rig]:
    """Yield the rig, and take it down again unless it was up before. Raises RigError."""
    was_up = all(component.healthy for component in status(folders))
    try:
        yield up(folders, say)
    finally:
        if not was_up:
            down(folders, say)


def status(folders: Folders) -> Sequence[ComponentStatus]:
    """What runs and answers."""
    rig = _recorded(folders)
    return _components(rig, folders) if rig else [ComponentStatus("rig", healthy=False, detail="not up")]


def running(folders: Folders) -> Rig:
    """The rig that was brought up last. Raises RigError when there is none."""
    rig = _recorded(folders)
    if rig is None:
        msg = f"nothing is up in {folders.state}; run: python -m tests.rig up"
        raise RigError(msg)
    return rig


def pixi_for_people(folders: Folders, environ: Mapping[str, str]) -> str:
    """Which pixi the builder image has, or will have in the next rig that is brought up. Raises RigError."""
    given = base.given(environ)
    rig = _recorded(folders)
    if rig and _fits(rig, given):
        return rig.pixi
    return str(given or f"{_OFFICIAL} where it can be reached, or {base.STAND_IN}")


def _fits(rig: Rig, given: base.Pixi | None) -> bool:
    """Whether the rig has the pixi that is given, and, with none given, what it needs of the internet."""
    if given or rig.pixi_sha256:
        return given is not None and (rig.pixi, rig.pixi_sha256) == (str(given), given.sha256)
    return rig.pixi_is_stand_in or not _is_offline()


def _start(folders: Folders, given: base.Pixi | None, say: Callable[[str], None]) -> Rig:
    machine_docker = engine.of_machine()
    # An engine of the rig sets no firewall rules, so its containers reach this machine and nothing beyond.
    stand_ins = given is not None or machine_docker is None or not _internet_serves_images_and_packages()
    pixi = given or base.STAND_IN
    cache, state = folders.cache, folders.state
    password = secrets.token_urlsafe(12)
    with ThreadPoolExecutor() as pool:
        engine_started = pool.submit(lambda: machine_docker or _start_engine(cache, state, say))
        registries_started = pool.submit(_start_registries, cache, state, password, say)
        channel, mirror = _CONDA_FORGE, ""
        if stand_ins:
            image_made = pool.submit(_timed, say, "base image", lambda: base.ensure_rootfs(cache, say))
            packages = _timed(say, "conda packages", lambda: conda_packages.build(cache, say))
            channel, mirror = _start_channel(packages, engine_started.result(), state=state)
            image_made.result()
            open_registry, _ = registries_started.result()
            push = partial(base.push, cache, pixi=pixi, registry=open_registry, mirror=mirror, say=say)
            _timed(say, "base image pushed", push)
    docker = engine_started.result()
    open_registry, password_registry = registries_started.result()
    rig = Rig(
        docker_host=docker.docker_host,
        docker_config=docker.docker_config,
        path=docker.path,
        registry=open_registry,
        password_registry=password_registry,
        username=_USERNAME,
        password=password,
        pixi_image=f"{open_registry if stand_ins else 'ghcr.io'}/prefix-dev/pixi",
        slim_image=f"{open_registry if stand_ins else 'docker.io'}/library/debian:bookworm-slim",
        pixi=str(pixi) if stand_ins else _OFFICIAL,
        pixi_sha256=pixi.sha256,
        pixi_is_stand_in=stand_ins and given is None,
        channel=channel,
        channel_is_stand_in=stand_ins,
        pixi_home=_pixi_home(state, channel) if stand_ins else "",
        mirror=mirror,
    )
    if given:
        _timed(say, f"{given} runs in the builder image", lambda: _check_that_it_runs(rig, given))
    return rig


def _pixi_home(state: Path, channel: str) -> str:
    folder = state / "pixi-home"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(mirrors(channel), encoding="utf-8")
    return str(folder)


def _check_that_it_runs(rig: Rig, pixi: base.Pixi) -> None:
    """A program that is linked to newer libraries than Debian's runs on this machine and not in the image."""
    image = f"{rig.pixi_image}:{pixi.version}"
    done = subprocess.run(
        ["docker", "run", "--rm", image, "pixi", "--version"],
        env={**os.environ, **rig.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"{pixi} does not run in the builder image: {done.stderr.strip()}"
        raise RigError(msg)


def _start_engine(cache: Path, state: Path, say: Callable[[str], None]) -> engine.Engine:
    installed = _timed(say, "engine installed", lambda: engine.install(cache))
    return _timed(say, "engine started", lambda: engine.start(installed, state=state))


def _start_registries(cache: Path, state: Path, password: str, say: Callable[[str], None]) -> tuple[str, str]:
    program = _timed(say, "registry installed", lambda: registry.install(cache))
    start = partial(registry.start, program=program, state=state)
    open_registry = _timed(say, "registry started", lambda: start("registry"))
    with_password = partial(start, "password-registry", username=_USERNAME, password=password)
    return open_registry, _timed(say, "registry with password started", with_password)


def _start_channel(packages: Path, docker: engine.Engine, *, state: Path) -> tuple[str, str]:
    """The channel's URL for this machine, and the one for containers."""
    local = f"127.0.0.1:{registry.free_port('127.0.0.1')}"
    # Fixed where the address is the rig's own, so that the base image is the same each time.
    port = _CHANNEL_PORT if docker.docker_host else registry.free_port(docker.gateway)
    bridge = f"{docker.gateway}:{port}"
    url = f"http://{local}/conda-forge/"
    daemon.start(
        "channel",
        [sys.executable, "-m", "tests.rig.channel", "--folder", packages, "--bind", local, "--bind", bridge],
        state=state,
        ready=lambda: _answers(f"{url}noarch/repodata.json"),
        seconds=_CHANNEL_READY_SECONDS,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return url, f"http://{bridge}/conda-forge/"


def _components(rig: Rig, folders: Folders) -> Sequence[ComponentStatus]:
    components = [
        ComponentStatus("engine", engine.healthy(rig.docker_host), rig.docker_host or "the machine's own"),
        ComponentStatus("registry", registry.healthy(rig.registry), rig.registry),
        ComponentStatus("password registry", registry.healthy(rig.password_registry), rig.password_registry),
    ]
    if rig.channel_is_stand_in:
        answers = _answers(f"{rig.channel}noarch/repodata.json")
        components.append(ComponentStatus("channel (stand-in)", answers, rig.channel))
        answers = _answers(f"http://{rig.registry}/v2/prefix-dev/pixi/tags/list")
        components.append(ComponentStatus(f"builder image ({rig.pixi})", answers, rig.pixi_image))
    for name, address in buildkit.started(folders.state).items():
        components.append(ComponentStatus(name, buildkit.healthy(address), address))
    return components


def _answers(url: str) -> bool:
    try:
        with httpx.stream("GET", url, trust_env=False, timeout=2) as response:
            return response.is_success
    except httpx.HTTPError:
        return False


def _internet_serves_images_and_packages() -> bool:
    if _is_offline():
        return False
    try:
        images = httpx.get("https://ghcr.io/v2/", timeout=_REACHABLE_SECONDS)
        repodata = f"{_CONDA_FORGE}noarch/repodata.json.zst"
        packages = httpx.head(repodata, timeout=_REACHABLE_SECONDS, follow_redirects=True)
    except httpx.HTTPError:
        return False
    return images.status_code in {200, 401} and packages.is_success


def _is_offline() -> bool:
    return os.environ.get("PIXI_CONTAINER_RIG_OFFLINE") == "1"


def _clean(folders: Folders) -> None:
    daemon.stop(folders.state)
    emulation.remove_leftover(folders.state)
    emulation.clean(folders.state)
    engine.clean(folders.state)
    try:
        shutil.rmtree(folders.state)
    except FileNotFoundError:
        return
    except OSError as error:
        msg = f"cannot remove {folders.state}: {error}; remove it as the user who brought the rig up"
        raise RigError(msg) from error


def _record(folders: Folders) -> Path:
    return folders.state / "rig.json"


def _recorded(folders: Folders) -> Rig | None:
    """The rig that was last brought up, if its record is whole."""
    try:
        return Rig.from_json(_record(folders).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@contextmanager
def _locked(folders: Folders, say: Callable[[str], None]) -> Iterator[None]:
    """One `up` or `down` at a time. The lock file goes with the state folder."""
    folders.lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with folders.lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another command on {folders.state}")
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_same_file(file.fileno(), folders.lock):
                try:
                    yield
                finally:
                    if not folders.state.exists():
                        folders.lock.unlink()
                return
            # Whoever held the lock has removed the file with the state folder: again, with a new file.


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _timed(say: Callable[[str], None], step: str, work: Callable[[], T]) -> T:
    start = time.monotonic()
    result = work()
    say(f"{step} ({time.monotonic() - start:.1f} s)")
    return result

"""Debian packages as plain files: downloaded and checked by apt, never installed on the machine."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PUBLIC_MIRROR = "http://deb.debian.org/debian/"
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}


def fetch(packages: Sequence[str], *, suite: str, into: Path, arch: str = "amd64") -> Mapping[str, Path]:
    """The .deb files of `packages` in `suite`, without their dependencies, by package name.

    They come from the machine's own mirror under a private apt root, with apt's signature and hash checks.
    Files already in `into` whose recorded SHA-256 still holds are used again, without the network.
    Raises RigError when apt is missing or cannot download them.
    """
    folder = into / f"{suite}-{arch}"
    found = {package: _cached(folder, package) for package in packages}
    missing = [package for package, deb in found.items() if deb is None]
    if missing:
        _download(missing, suite=suite, arch=arch, folder=folder)
        found |= {package: _cached(folder, package) for package in missing}
    absent = sorted(package for package, deb in found.items() if deb is None)
    if absent:
        msg = f"apt gave no file for {', '.join(absent)} ({suite}, {arch})"
        raise RigError(msg)
    return {package: deb for package, deb in found.items() if deb is not None}


def unpack(deb: Path, root: Path) -> None:
    """Unpacks the files of a .deb below `root` (`dpkg -x`), running none of its scripts."""
    root.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["dpkg", "-x", deb, root], capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"dpkg cannot unpack {deb} into {root}: {done.stderr.strip()}"
        raise RigError(msg)


def unpacked(packages: Sequence[str], *, suite: str, cache: Path) -> Path:
    """A folder in the cache with the files of all `packages`, made once per set of package versions."""
    debs = fetch(packages, suite=suite, into=cache / "debs", arch=architecture())
    versions = hashlib.sha256("\n".join(sorted(deb.name for deb in debs.values())).encode()).hexdigest()
    root = cache / "unpacked" / f"{packages[0]}-{suite}-{versions[:12]}"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=root.parent) as name:
            fresh = Path(name) / "root"
            for deb in debs.values():
                unpack(deb, fresh)
            try:
                fresh.rename(root)
            except OSError:
                if not root.exists():  # otherwise another rig was faster
                    raise
    return root


def architecture() -> str:
    """Debian's name of the machine's architecture. Raises RigError where there is no dpkg."""
    if not shutil.which("dpkg"):
        msg = "this machine has no dpkg and apt, from which the rig takes its programs"
        raise RigError(msg)
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@cache
def os_release() -> Mapping[str, str]:
    """The fields of /etc/os-release (freedesktop.org os-release(5)); empty where there is none."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


@cache
def mirror(suite: str) -> str:
    """The URI of an archive that has `suite`: the machine's own one where it serves the machine's release.

    Suites of Debian that the machine does not use (such as sid) are taken from the same mirror.
    """
    codename = os_release().get("VERSION_CODENAME", "")
    if os_release().get("ID") == "debian" or suite == codename:
        with tempfile.TemporaryDirectory() as lists:
            printed = subprocess.run(
                ["apt-get", "-o", f"Dir::State::lists={lists}", "update", "--print-uris"],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
        for line in printed.splitlines():
            uri, _, release = line.strip("'").partition("/dists/")
            if release.startswith(f"{codename}/InRelease"):
                return f"{uri}/"
    return _PUBLIC_MIRROR


def _download(packages: Sequence[str], *, suite: str, arch: str, folder: Path) -> None:
    if not shutil.which("apt-get"):
        msg = f"this machine has no apt-get, which is needed to download {', '.join(packages)}"
        raise RigError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=folder) as name:
        root = Path(name)
        conf = _private_apt(root, suite=suite, arch=arch)
        for arguments in (["update", "--error-on=any"], ["download", *packages]):
            done = subprocess.run(
                ["apt-get", "-c", conf, "-q", *arguments],
                cwd=root,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                wrong = "\n".join(line for line in done.stderr.splitlines() if line[:2] in {"E:", "W:"})
                msg = f"apt-get {arguments[0]} failed for {suite} at {mirror(suite)}:\n{wrong or done.stderr}"
                raise RigError(msg)
        for deb in root.glob("*.deb"):
            (folder / f"{deb.name}.sha256").write_text(_sha256(deb), encoding="ascii")
            deb.replace(folder / deb.name)


def _private_apt(root: Path, *, suite: str, arch: str) -> Path:
    """An apt root below `root` that knows one suite; the configuration file to give with `apt-get -c`.

    The machine's own settings (proxies, certificates, authentication) stay in force; its hooks do not run.
    """
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    of_machine = suite == os_release().get("VERSION_CODENAME")
    distribution = os_release().get("ID", "debian") if of_machine else "debian"
    keyring = Path(f"/usr/share/keyrings/{distribution}-archive-keyring.gpg")
    if not keyring.exists() and not of_machine:
        msg = f"{keyring} is missing, so Debian {suite} cannot be verified: install debian-archive-keyring"
        raise RigError(msg)
    options = f"arch={arch}" + (f" signed-by={keyring}" if keyring.exists() else "")
    components = _COMPONENTS.get(distribution, "main")
    (root / "sources.list").write_text(f"deb [{options}] {mirror(suite)} {suite} {components}\n", encoding="utf-8")
    conf = root / "apt.conf"
    conf.write_text(
        f"""#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
APT::Architecture "{arch}";
#clear APT::Architectures;
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
""",
        encoding="utf-8",
    )
    return conf


def _cached(folder: Path, package: str) -> Path | None:
    debs = sorted(folder.glob(f"{package}_*.deb"), key=lambda deb: deb.stat().st_mtime, reverse=True)
    for deb in debs:
        record = deb.with_name(f"{deb.name}.sha256")
        if record.exists() and record.read_text(encoding="ascii") == _sha256(deb):
            return deb
    return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

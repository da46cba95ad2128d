"""The minimal Debian for arm64, made on any machine: none of its programs runs, so neither does QEMU.

What maintainer scripts do is taken from the amd64 root file system, which a real installation made: accounts,
alternatives, certificates, merged /usr. In it, the packages of its architecture give way to those for arm64.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.rig import debian
from tests.rig.base import layers, rootfs
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.rig.base.layers import Layer

_NATIVE, _FOREIGN = "amd64", "arm64"
_INFO = Path("var/lib/dpkg/info")
_STATUS = Path("var/lib/dpkg/status")
_GENERATED = ("dev", "etc/ld.so.cache", "lib64", "usr/lib64", "usr/lib/x86_64-linux-gnu", "var/cache/ldconfig")
"""What scripts make for the one architecture. The loader of libc finds its libraries without a cache."""
_MACHINE = slice(18, 20)
_X86_64 = b"\x3e\x00"


def arm64_rootfs(cache: Path, say: Callable[[str], None]) -> Layer:
    """The layer of Debian for arm64, with the packages of the one for amd64; made when it is not in `cache`.

    Raises RigError when a package cannot be downloaded or a file for amd64 is left.
    """
    native = rootfs.rootfs(cache, say)

    def make(tar: IO[bytes]) -> None:
        say("base image: making the Debian root file system for arm64")
        with tempfile.TemporaryDirectory(dir=cache / "base") as name:
            root = Path(name)
            _run(
                "tar",
                "--extract",
                "--gzip",
                "--same-permissions",
                "--numeric-owner",
                "-f",
                native.path,
                "-C",
                root,
            )
            _exchange(root, cache / "debs")
            _run("sh", "-ec", rootfs.PRUNE, "sh", root)
            left = [path for path in root.rglob("*") if _is_native_program(path)]
            if left:
                msg = f"files for {_NATIVE} are left: {', '.join(str(path.relative_to(root)) for path in left)}"
                raise RigError(msg)
            _pack(root, tar)

    recipe = f"{native.diff_id}{Path(__file__).read_text(encoding='utf-8')}".encode()
    return layers.cached(cache / "base", f"rootfs-arm64-{hashlib.sha256(recipe).hexdigest()[:16]}", make)


def _exchange(root: Path, debs: Path) -> None:
    """Puts the packages for arm64 in the place of those for amd64, with what dpkg records of them."""
    kept, names = [], []
    for stanza in (root / _STATUS).read_text(encoding="utf-8").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if fields["Architecture"] == _NATIVE:
            names.append(fields["Package"])
        else:
            kept.append(stanza)
    found = debian.fetch(names, suite=rootfs.SUITE, into=debs, arch=_FOREIGN)
    for name in names:
        _remove(root, name)
    for generated in _GENERATED:
        path = root / generated
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    stanzas = [*kept, *(_unpack(root, name, found[name]) for name in names)]
    (root / _STATUS).write_text("\n\n".join(sorted(stanzas)) + "\n", encoding="utf-8")
    # Of dpkg and apt about the state before, which they write anew.
    for stale in ("var/lib/dpkg/arch", "var/lib/dpkg/status-old"):
        (root / stale).unlink(missing_ok=True)
    extended = root / "var/lib/apt/extended_states"
    if extended.exists():
        text = extended.read_text(encoding="utf-8")
        extended.write_text(text.replace(f": {_NATIVE}\n", f": {_FOREIGN}\n"), encoding="utf-8")


def _remove(root: Path, name: str) -> None:
    """Removes a package's files and what dpkg records of it; its folders stay for the one that comes."""
    own = [path for path in (root / _INFO).glob(f"{name}[.:]*") if path.stem in {name, f"{name}:{_NATIVE}"}]
    listed = next(path for path in own if path.suffix == ".list").read_text(encoding="utf-8").splitlines()
    for line in listed:
        path = root / line.removeprefix("/")
        if not path.is_dir():
            path.unlink(missing_ok=True)
    for path in own:
        path.unlink()


def _unpack(root: Path, name: str, deb: Path) -> str:
    """Unpacks a package and records it as installed; its stanza for dpkg's status file."""
    archive = _run("dpkg-deb", "--fsys-tarfile", deb)
    # Like dpkg, and unlike `dpkg -x`, tar is not to put a folder in the place of the link /bin.
    into = ("--directory", root, "--same-permissions", "--numeric-owner")
    kept = ("--keep-directory-symlink", "--no-overwrite-dir")
    _run("tar", "--extract", *into, *kept, given=archive)
    fields = _run("dpkg-deb", "--field", deb).decode()
    info = f"{name}:{_FOREIGN}" if "\nMulti-Arch: same\n" in fields else name
    with tempfile.TemporaryDirectory() as folder:
        _run("dpkg-deb", "--control", deb, folder)
        control = Path(folder)
        (control / "control").unlink()
        for path in control.iterdir():
            shutil.copy(path, root / _INFO / f"{info}.{path.name}")
    members = _run("tar", "--list", given=archive).decode().splitlines()
    paths = [member.removeprefix(".").rstrip("/") or "/." for member in members]
    (root / _INFO / f"{info}.list").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    package, rest = fields.rstrip("\n").split("\n", 1)
    return "\n".join([package, "Status: install ok installed", rest, *_conffiles(root, info)])


def _conffiles(root: Path, info: str) -> Iterator[str]:
    """The field with a package's configuration files and their MD5, by which dpkg sees that one was changed."""
    listed = root / _INFO / f"{info}.conffiles"
    if listed.exists():
        yield "Conffiles:"
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("/"):
                content = (root / line.removeprefix("/")).read_bytes()
                yield f" {line} {hashlib.md5(content, usedforsecurity=False).hexdigest()}"


def _is_native_program(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(20)
    return start[:4] == b"\x7fELF" and start[_MACHINE] == _X86_64


def _pack(root: Path, tar: IO[bytes]) -> None:
    times = (f"--mtime=@{layers.CREATED}", "--clamp-mtime")
    command: list[str | Path] = ["tar", "--create", "--sort=name", "--numeric-owner", "--format=pax", *times]
    command += ["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime", "-C", root, "."]
    done = subprocess.run(command, stdout=tar, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        msg = f"tar failed: {done.stderr.decode().strip()}"
        raise RigError(msg)


def _run(*command: str | Path, given: bytes | None = None) -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        msg = f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-2000:]}"
        raise RigError(msg)
    return done.stdout

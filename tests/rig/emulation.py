"""Emulation of arm64 by the kernel: QEMU of Debian's qemu-user-static, registered for as long as a test needs it.

Registrations count for the whole machine. So who wants emulation there has a lock alone, who wants it absent
shares it with others who do, and a registration of a rig that nobody holds the lock for was left by a killed one.
See https://docs.kernel.org/admin-guide/binfmt-misc.html.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig import debian, errors
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PACKAGE = "qemu-user-static"
_SUITE = "bookworm"
_PROGRAM = "usr/bin/qemu-aarch64-static"
NAME = "pixi-rig-arm64"
# Little-endian programs and shared objects for machine 183, whatever their ABI's version says.
_MAGIC = rb"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# F: opened now, as containers do not have the file; C (with O): programs keep their set-user-ID bit.
_FLAGS = b"OCF"
_LOCKED = Path("/proc/sys/fs")
"""A folder that every process of the machine has, so that no lock file stays behind."""
_MOUNT = "binfmt_misc"
_EXIT_SYSCALL = (0xD2800000, 0xD2800BA8, 0xD4000001)  # mov x0, #0; mov x8, #93; svc #0


class UnavailableError(errors.UnavailableError):
    """This machine cannot have emulation, or be without it; the text says why."""


@contextmanager
def present(cache: Path, state: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Lets this machine run programs for arm64, also in containers, for as long as the context lasts.

    Where it can do so already, nothing changes. QEMU is downloaded once into the cache. Waits for others who have
    or exclude emulation. Raises UnavailableError.
    """
    with _lock(fcntl.LOCK_EX, say):
        _forget()
        if is_present():
            yield
            return
        program = _install(cache)
        mount = state / _MOUNT
        _mount(mount)
        try:
            try:
                (mount / "register").write_text(registration(str(program)))
            except OSError as error:
                msg = f"the kernel does not take {program} for programs for arm64: {error}"
                raise UnavailableError(msg) from error
            yield
        finally:
            _forget()
            clean(state)


@contextmanager
def left_to_others(cache: Path, state: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """Yields QEMU, which something else is to register as `NAME`, and takes that registration away at the end.

    Nobody else has or excludes emulation meanwhile. As on a machine with systemd, binfmt_misc is mounted; without
    any mount, the kernel forgets a registration with the container that made it. Raises UnavailableError.
    """
    with _lock(fcntl.LOCK_EX, say):
        _forget()
        if is_present():
            msg = "this machine runs programs for arm64, by emulation of its own or as its processor can"
            raise UnavailableError(msg)
        program = _install(cache)
        _mount(state / _MOUNT)
        try:
            yield program
        finally:
            _forget()
            clean(state)


def registration(program: str) -> str:
    """The line that has the kernel run programs for arm64 by the program at this path."""
    magic, mask = _MAGIC.decode(), _MASK.decode()
    return f":{NAME}:M::{magic}:{mask}:{program}:{_FLAGS.decode()}"


@contextmanager
def absent(state: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Makes sure that this machine runs no programs for arm64 for as long as the context lasts.

    Waits for others who have emulation. Raises UnavailableError where it is the machine's own.
    """
    remove_leftover(state)
    with _lock(fcntl.LOCK_SH, say):
        if is_present():
            msg = "this machine runs programs for arm64, by emulation of its own or as its processor can"
            raise UnavailableError(msg)
        yield


def is_present() -> bool:
    """Whether this machine runs a program for arm64; one of three instructions is tried."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(_program())
    try:
        Path(file.name).chmod(0o700)
        return subprocess.run([file.name], check=False).returncode == 0
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            return False
        raise
    finally:
        Path(file.name).unlink()


def remove_leftover(state: Path) -> None:
    """Removes what a killed rig has registered, and mounted in `state`; nothing while anyone holds the lock."""
    if os.getuid() == 0 and (any(_registrations()) or state / _MOUNT in _mounts()):
        folder = os.open(_LOCKED, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            _forget()
            clean(state)
        finally:
            os.close(folder)


def clean(state: Path) -> None:
    """Unmounts what a rig has mounted for registering."""
    mount = state / _MOUNT
    if mount in _mounts():
        subprocess.run(["umount", mount], check=True, capture_output=True)
    if mount.is_dir():
        mount.rmdir()


def _install(cache: Path) -> Path:
    """QEMU for programs of arm64 in the cache; the other 50 of the package are left out."""
    try:
        arch = debian.architecture()
        deb = debian.fetch([_PACKAGE], suite=_SUITE, into=cache / "debs", arch=arch)[_PACKAGE]
    except RigError as error:
        msg = f"there is no {_PACKAGE} for emulation: {error}"
        raise UnavailableError(msg) from error
    program = cache / "emulation" / deb.stem / Path(_PROGRAM).name
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=program.parent) as name:
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as archive:
                unpack = ["tar", "-x", "-C", name, f"./{_PROGRAM}"]
                subprocess.run(unpack, stdin=archive.stdout, check=True)
            Path(name, _PROGRAM).replace(program)
    return program


def _mount(folder: Path) -> None:
    if folder in _mounts():
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", folder], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        msg = "there is no command `mount`, and binfmt_misc is to be mounted"
        raise UnavailableError(msg) from None
    if done.returncode:
        folder.rmdir()
        msg = f"binfmt_misc cannot be mounted: {done.stderr.strip()}"
        raise UnavailableError(msg)


def _forget() -> None:
    for registration in _registrations():
        registration.write_bytes(b"-1")


def _registrations() -> Iterator[Path]:
    """The registrations of rigs, by the first mount that shows them: all mounts have the same."""
    return (path for mount in list(_mounts())[:1] if (path := mount / NAME).exists())


def _mounts() -> Iterator[Path]:
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "binfmt_misc":
            yield Path(place.encode().decode("unicode_escape"))  # proc(5): spaces are \040


@contextmanager
def _lock(kind: int, say: Callable[[str], None]) -> Iterator[None]:
    folder = os.open(_LOCKED, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another rig's emulation")
            fcntl.flock(folder, kind)
        yield
    finally:
        os.close(folder)


def _program() -> bytes:
    """A program for arm64 that ends at once: ELF's header, one segment, and the instructions (elf(5))."""
    header, segment = 64, 56
    base, start = 0x400000, header + segment
    code = struct.pack(f"<{len(_EXIT_SYSCALL)}I", *_EXIT_SYSCALL)
    size = start + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    fields = (2, 183, 1, base + start, header, 0, 0, header, segment, 1, 0, 0, 0)
    loaded = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return identity + struct.pack("<HHIQQQIHHHHHH", *fields) + loaded + code

"""Archives that are damaged, or made to do harm, end with one error that names the package."""

from __future__ import annotations

import bz2
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pixi_container.environment.archive import open_archive
from pixi_container.environment.refusals import BrokenPackageError
from tests.unit.environment.archives import Item, package, soft, tar, write_conda

SOUND = [Item("bin/a", b"x" * 3000), soft("bin/b", "a")]
STEM = "hostile-1.0-0"


def read(path: Path) -> list[str]:
    with open_archive(path) as archive:
        return [entry.path for entry in archive.entries() if b"".join(entry.content) or True]


def conda(path: Path, payload: bytes, info: bytes | None = None) -> None:
    write_conda(path, tar([]) if info is None else info, payload)


def with_header(**fields: object) -> bytes:
    info = tarfile.TarInfo("bin/a")
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def with_long_name(size: int) -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    return info.tobuf(tarfile.GNU_FORMAT) + b"n" * size + bytes(-size % 512) + with_header()


def with_pax_header(size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, size
    return info.tobuf(tarfile.USTAR_FORMAT) + b"1" * size + bytes(-size % 512) + with_header()


def with_members(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, zstandard.compress(tar([])))


def cut(path: Path, share: float) -> None:
    sound = package(path.parent, "hostile", SOUND, suffix=".tar.bz2" if path.suffix == ".bz2" else ".conda")
    content = sound.archive.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


PAYLOADS: dict[str, tuple[bytes, str]] = {
    "absolute path": (tar([Item("/etc/passwd")]), "leads out"),
    "path with two dots": (tar([Item("lib/../../x")]), "leads out"),
    "hard link out": (tar([Item("bin/a", kind=tarfile.LNKTYPE, target="../x")]), "leads out"),
    "absolute hard link": (tar([Item("bin/a", kind=tarfile.LNKTYPE, target="/etc/passwd")]), "leads out"),
    "device": (tar([Item("dev/sda", kind=tarfile.BLKTYPE)]), "neither a file nor a folder nor a link"),
    "pipe": (tar([Item("bin/pipe", kind=tarfile.FIFOTYPE)]), "neither a file nor a folder nor a link"),
    "sparse file": (with_header(type=tarfile.GNUTYPE_SPARSE, size=0), "neither a file nor a folder nor a link"),
    "file of an exabyte": (with_header(size=1 << 60), "has 1152921504606846976 bytes"),
    "negative size": (with_header(size=-5), "cannot be unpacked|has -5 bytes"),
    "file that ends early": (with_header(size=5000), "cannot be unpacked"),
    "no tar": (b"no tar at all" * 100, "cannot be unpacked"),
    "long name of 9 MB": (with_long_name(9 << 20), "larger than any file name needs"),
    "header of 9 MB": (with_pax_header(9 << 20), "larger than any file name needs"),
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
@pytest.mark.parametrize("case", PAYLOADS)
def test_a_hostile_tar_is_refused(tmp_path: Path, case: str, suffix: str) -> None:
    payload, problem = PAYLOADS[case]
    path = tmp_path / f"{STEM}{suffix}"
    if suffix == ".conda":
        conda(path, payload)
    else:
        path.write_bytes(bz2.compress(payload, 1))
    with pytest.raises(BrokenPackageError, match=problem) as raised:
        read(path)
    assert f"package '{STEM}{suffix}' is broken" in str(raised.value)


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty .conda": (".conda", lambda path: path.write_bytes(b""), "cannot be unpacked"),
    "no zip": (".conda", lambda path: path.write_bytes(b"no zip"), "cannot be unpacked"),
    "cut .conda": (".conda", lambda path: cut(path, 0.5), "cannot be unpacked"),
    "no payload": (".conda", lambda path: with_members(path, f"info-{STEM}.tar.zst"), "has 0 members pkg-"),
    "no metadata": (".conda", lambda path: with_members(path, f"pkg-{STEM}.tar.zst"), "has 0 members info-"),
    "no zstd": (
        ".conda",
        lambda path: write_raw(path, b"no zstd"),
        "cannot be unpacked",
    ),
    "cut zstd": (
        ".conda",
        lambda path: write_raw(path, zstandard.compress(tar(SOUND))[:-9]),
        "cannot be unpacked",
    ),
    "metadata of 70 MB": (
        ".conda",
        lambda path: conda(path, tar([]), with_header(name="info/paths.json", size=70 << 20)),
        "info/paths.json has 73400320 bytes",
    ),
    "metadata twice": (
        ".conda",
        lambda path: conda(path, tar([]), tar([Item("info/index.json"), Item("./info/index.json")])),
        "info/index.json twice",
    ),
    "empty .tar.bz2": (".tar.bz2", lambda path: path.write_bytes(b""), "cannot be unpacked"),
    "no bzip2": (".tar.bz2", lambda path: path.write_bytes(b"no bzip2"), "cannot be unpacked"),
    "cut .tar.bz2": (".tar.bz2", lambda path: cut(path, 0.5), "cannot be unpacked"),
    "other file": (".zip", lambda path: path.write_bytes(b""), "neither a .conda nor a .tar.bz2 file"),
}


def write_raw(path: Path, payload: bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"info-{STEM}.tar.zst", zstandard.compress(tar([])))
        file.writestr(f"pkg-{STEM}.tar.zst", payload)


@pytest.mark.parametrize("case", FILES)
def test_a_damaged_file_is_refused(tmp_path: Path, case: str) -> None:
    suffix, write, problem = FILES[case]
    path = tmp_path / f"{STEM}{suffix}"
    write(path)
    with pytest.raises(BrokenPackageError, match=problem):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_payload_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{STEM}.conda"
    with_members(path, f"info-{STEM}.tar.zst", f"pkg-{STEM}.tar.zst", f"pkg-{STEM}.tar.zst")
    with pytest.raises(BrokenPackageError, match="has 2 members pkg-"):
        read(path)


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_sound_archive_leaves_nothing_on_disk(tmp_path: Path, suffix: str) -> None:
    made = package(tmp_path, "sound", SOUND, suffix=suffix)
    before = set(tmp_path.iterdir())
    with open_archive(made.archive) as archive:
        assert set(tmp_path.iterdir()) == before
        assert [entry.path for entry in archive.entries() if not entry.path.startswith("info/")] == [
            "bin/a",
            "bin/b",
        ]
    assert set(tmp_path.iterdir()) == before


LARGE = """
import sys
from pathlib import Path
from pixi_container.environment.archive import open_archive
from pixi_container.environment.layer_tar import LayerWriter
from pixi_container.environment.linking import link
from pixi_container.environment.records import CondaRecord

with open_archive(Path(sys.argv[1])) as archive, open("/dev/null", "wb") as out:
    writer = LayerWriter(out)
    writer.add(link(archive, CondaRecord("large", "1.0", "0", {}), "/app", None), "app")
    writer.finish()
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("row", [{}, {"prefix_placeholder": "/placeholder", "file_mode": "binary"}])
def test_memory_does_not_grow_with_a_package(tmp_path: Path, row: dict[str, str]) -> None:
    """One file of 3 GB, as it is and with the environment's path to be put in, takes less than 100 MB."""
    size = 3_000_000_000
    path = tmp_path / "large-1.0-0.conda"
    listed = {"_path": "lib/x", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": size, **row}
    sound = package(tmp_path / "sound", "large", [], info={"paths.json": {"paths": [listed], "paths_version": 1}})
    with zipfile.ZipFile(sound.archive) as source, zipfile.ZipFile(path, "w") as file:
        file.writestr("info-large-1.0-0.tar.zst", source.read("info-large-1.0-0.tar.zst"))
        header = tarfile.TarInfo("lib/x")
        header.size = size
        packed = io.BytesIO()
        with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as writer:
            writer.write(header.tobuf(tarfile.PAX_FORMAT))
            for _ in range(size // 1_000_000):
                writer.write(b"\1" * 1_000_000)
            writer.write(bytes(-size % 512 + 1024))
        file.writestr("pkg-large-1.0-0.tar.zst", packed.getvalue())
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "src"},
    )
    assert int(done.stdout) < 100_000

"""The base's own start-up file of bash, found in its layers as a container would see it."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, TypeVar

import pytest
from conda_package_streaming.package_streaming import zstd

from pixi_container.environment.base_files import own_bashrc
from pixi_container.environment.image_config import UnfitBaseError
from pixi_container.errors import RegistryError, UserError

RC, BASH = "etc/bash.bashrc", "bin/bash"
T = TypeVar("T")
TYPE = "application/vnd.oci.image.layer.v1.tar"


def layer(*members: str | tarfile.TarInfo, text: str = "", mode: int = 0o644) -> bytes:
    """Return a tar; each file has ``text`` and then its own name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            content = f"{text}{info.name}".encode() if info.isreg() else b""
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def link(path: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda plain: plain,
    "+gzip": lambda plain: gzip.compress(plain[:1000]) + gzip.compress(plain[1000:]),
    "+zstd": lambda plain: zstd.compress(plain[:1000]) + zstd.compress(plain[1000:]),
}


def read(*layers: bytes, kind: str = "", part: int = 7) -> tuple[str | None, list[int]]:
    """Return what is found, and the numbers of the layers that were read."""
    numbers: list[int] = []
    blobs = [PACKED[kind](plain) for plain in layers]

    def scan(descriptor: Mapping[str, Any], use: Callable[[Iterator[bytes]], T]) -> T:
        numbers.append(descriptor["number"])
        blob = blobs[descriptor["number"]]
        parts = (blob[start : start + part] for start in range(0, len(blob), part))
        made = use(parts)
        assert next(parts, None) is None, "only then the digest is known"
        return made

    descriptors = [{"number": number, "mediaType": f"{TYPE}{kind}"} for number in range(len(blobs))]
    entry = own_bashrc(descriptors, scan)
    return (b"".join(entry.content).decode() if entry else None), numbers


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("part", [7, 1 << 20])
def test_layers_may_be_packed_in_any_way(kind: str, part: int) -> None:
    assert read(layer(BASH, RC, "etc/other", text="1"), kind=kind, part=part) == ("1etc/bash.bashrc", [0])


@pytest.mark.parametrize(
    ("layers", "text", "numbers"),
    [
        ([layer(BASH, RC, text="0"), layer("a")], "0etc/bash.bashrc", [1, 0]),
        ([layer(BASH, RC, text="0"), layer(f"./{RC}", text="1")], "1etc/bash.bashrc", [1, 0]),
        ([layer("a"), layer(BASH, RC, text="1")], "1etc/bash.bashrc", [1]),
        ([layer("usr/bin/bash", link("bin", "usr/bin"))], None, [0]),
        ([layer(BASH, RC), layer("etc/.wh.bash.bashrc")], None, [1, 0]),
        ([layer(BASH, RC), layer(".wh.etc")], None, [1, 0]),
        ([layer(BASH, RC), layer("etc/.wh..wh..opq")], None, [1, 0]),
        ([layer(BASH, RC, text="0"), layer("etc/.wh..wh..opq", RC, text="1")], "1etc/bash.bashrc", [1, 0]),
        ([layer(BASH, RC, text="0"), layer("opt/.wh.etc", "etc/.wh.bash")], "0etc/bash.bashrc", [1, 0]),
    ],
)
def test_a_later_layer_hides_what_is_below(layers: list[bytes], text: str | None, numbers: list[int]) -> None:
    own, read_numbers = read(*layers)
    assert own is None if text is None else own in {text, text.replace("etc/", "./etc/")}
    assert read_numbers == numbers


def test_what_comes_after_both_files_is_not_unpacked() -> None:
    both = layer(BASH, RC, text="1")[: 4 * tarfile.BLOCKSIZE]
    more = tarfile.TarInfo("more")
    more.size = 4 << 20
    packed = gzip.compress(both + more.tobuf() + Random(1).randbytes(more.size))  # noqa: S311
    damaged = packed[: 3 << 20] + b"damaged" * 1000
    scanned: list[bytes] = []

    def scan(_: Mapping[str, Any], use: Callable[[Iterator[bytes]], T]) -> T:
        def parts() -> Iterator[bytes]:
            for start in range(0, len(damaged), 1000):
                scanned.append(damaged[start : start + 1000])
                yield scanned[-1]

        return use(parts())

    assert own_bashrc([{"mediaType": f"{TYPE}+gzip"}], scan)
    assert b"".join(scanned) == damaged, "all of it is read, for its digest"


@pytest.mark.parametrize("layers", [[], [layer(RC)], [layer(BASH), layer("bin/.wh.bash")]])
def test_a_base_without_bash_is_an_error(layers: list[bytes]) -> None:
    with pytest.raises(UserError, match="no /bin/bash"):
        read(*layers)


@pytest.mark.parametrize("odd", [layer(BASH, link(RC, "other")), layer(BASH, RC, text="x" * (2 << 20))])
def test_a_start_up_file_that_is_no_small_file_needs_a_builder(odd: bytes) -> None:
    with pytest.raises(UnfitBaseError, match="as something else than a small file"):
        read(odd, part=1 << 20)


@pytest.mark.parametrize("kind", PACKED)
def test_a_damaged_layer_is_an_error(kind: str) -> None:
    blob = b"garbage" * 400
    with pytest.raises(RegistryError, match="a layer of the base image cannot be read"):
        own_bashrc([{"mediaType": f"{TYPE}{kind}"}], lambda _, use: use(iter([blob])))


def test_only_its_owner_may_write_it() -> None:
    entry = own_bashrc([{"mediaType": TYPE}], lambda _, use: use(iter([layer(BASH, RC, mode=0o666)])))
    assert entry
    assert entry.mode == 0o644

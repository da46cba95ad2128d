"""Layers on top of each other, as the OCI image specification has it: what is hidden, replaced, linked."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import RegistryError
from pixi_container.sif.layer_entries import (
    FILE,
    FOLDER,
    HARD_LINK,
    SYMLINK,
    LayerEntry,
    normal_path,
    read_contents,
    read_entries,
)
from pixi_container.sif.merged_layers import MergedLayers

TAR = "application/vnd.oci.image.layer.v1.tar"


def layer(*paths: str) -> list[LayerEntry]:
    """Return entries: ``a/`` is a folder, ``a->b`` a symbolic link, ``a=b`` a hard link, another one a file."""
    entries = []
    for number, text in enumerate(paths):
        if "->" in text:
            path, _, target = text.partition("->")
            entries.append(LayerEntry(path, SYMLINK, 0o777, number, target=target))
        elif "=" in text:
            path, _, target = text.partition("=")
            entries.append(LayerEntry(path, HARD_LINK, 0o644, number, target=target))
        else:
            kind = FOLDER if text.endswith("/") else FILE
            entries.append(LayerEntry(text.rstrip("/"), kind, 0o755 if kind == FOLDER else 0o644, number))
    return entries


def merged(*layers: list[LayerEntry]) -> dict[str, tuple[int, int]]:
    """Return layer and number of what is at each path, without the root and folders that no layer has."""
    image = MergedLayers()
    for each in layers:
        image.add(each)
    return {path: (inode.layer, inode.entry.number) for inode in image.inodes() for path in inode.paths if path}


def test_a_whiteout_hides_what_is_below_and_not_what_its_own_layer_has() -> None:
    assert merged(layer("a", "b"), layer(".wh.a")) == {"b": (0, 1)}
    assert merged(layer("a"), layer("a", ".wh.a")) == {"a": (1, 0)}
    assert merged(layer("d/", "d/a"), layer("d/", "d/.wh.a", "d/b")) == {"d": (1, 0), "d/b": (1, 2)}
    assert merged(layer("d/", "d/a", "d/e/"), layer(".wh.d")) == {}
    assert merged(layer("a"), layer("x/", "x/.wh.a", "none/.wh.a")) == {"a": (0, 0), "x": (1, 0)}


def test_an_opaque_folder_hides_all_that_is_below_it() -> None:
    below = layer("d/", "d/a", "d/e/", "d/e/f", "g")
    assert merged(below, layer("d/", "d/b", "d/.wh..wh..opq")) == {"d": (1, 0), "d/b": (1, 1), "g": (0, 4)}
    assert merged(below, layer(".wh..wh..opq", "h")) == {"h": (1, 1)}


def test_a_later_layer_replaces_and_a_folder_keeps_what_is_in_it() -> None:
    assert merged(layer("a", "d/", "d/b"), layer("a", "d/")) == {"a": (1, 0), "d": (1, 1), "d/b": (0, 2)}
    assert merged(layer("d/", "d/b"), layer("d")) == {"d": (1, 0)}
    assert merged(layer("d"), layer("d/", "d/b")) == {"d": (1, 0), "d/b": (1, 1)}
    assert merged(layer("d->/e", "e/"), layer("d/", "d/b")) == {"d": (1, 0), "d/b": (1, 1), "e": (0, 1)}


def test_a_path_goes_through_links_of_layers_below() -> None:
    base = layer("usr/", "usr/bin/", "bin->usr/bin")
    assert merged(base, layer("bin/sh"))["usr/bin/sh"] == (1, 0)
    assert merged(base, layer("bin/.wh.sh"), layer("bin/sh"), layer("usr/bin/.wh.sh")).keys() == {
        "usr",
        "usr/bin",
        "bin",
    }
    up = layer("usr/", "usr/lib/", "lib->../../usr/lib", "lib/x")
    assert merged(up)["usr/lib/x"] == (0, 3)
    with pytest.raises(RegistryError, match="loop of symbolic links"):
        merged(layer("a->b", "b->a", "a/c"))


def test_folders_that_no_layer_has_are_made() -> None:
    image = MergedLayers()
    image.add(layer("a/b/c"))
    assert [(inode.paths, inode.entry.mode) for inode in image.inodes()] == [
        ([""], 0o755),
        (["a"], 0o755),
        (["a/b"], 0o755),
        (["a/b/c"], 0o644),
    ]
    assert merged(layer("f"), layer("f/g"))["f/g"] == (1, 0)


def test_hard_links_keep_the_content_that_they_had() -> None:
    """The file that a link was made to may be replaced or hidden afterwards."""
    assert merged(layer("a", "b=a"), layer("a")) == {"a": (1, 0), "b": (0, 0)}
    assert merged(layer("a", "b=a"), layer(".wh.a")) == {"b": (0, 0)}
    assert merged(layer("a"), layer("b=a")) == {"a": (0, 0), "b": (0, 0)}
    image = MergedLayers()
    image.add(layer("z", "a=z", "m=a"))
    assert image.inodes()[-1].paths == ["a", "m", "z"]
    for wrong in ("b=none", "b=d"):
        with pytest.raises(RegistryError, match="hard link to what is no file"):
            merged(layer("d/", wrong))


def test_a_path_that_is_too_deep_is_refused() -> None:
    with pytest.raises(RegistryError, match="too deep"):
        merged(layer("/".join("a" * 2000)))


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a/b", "a/c", ".wh.a", "a/.wh..wh..opq", "a/", "c"]))))
def test_a_layer_of_everything_is_everything(layers: list[list[str]]) -> None:
    """What is in the last layer is there; what it whites out is not, unless it has it itself."""
    last = layer("a/", "a/b", ".wh.c")
    paths = merged(*(layer(*each) for each in layers), last)
    assert paths["a"][0] == paths["a/b"][0] == len(layers)
    assert "c" not in paths
    assert not [path for path in paths if ".wh." in path]


@pytest.mark.parametrize(("name", "path"), [("./a//b/", "a/b"), ("/a", "a"), ("./", ""), ("a/./b", "a/b")])
def test_paths_in_normal_form(name: str, path: str) -> None:
    assert normal_path(name) == path


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "/.."])
def test_a_path_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(RegistryError, match="leads out"):
        normal_path(name)


def written(*infos: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """Return a tar with these entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info in infos:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


def test_entries_and_contents_of_a_tar() -> None:
    file, device, old = tarfile.TarInfo("./a"), tarfile.TarInfo("n"), tarfile.TarInfo("old")
    file.mode, file.uid, file.mtime = 0o104755, 2**40, 1.75
    device.type, device.devmajor, device.devminor = tarfile.CHRTYPE, 1, 3
    old.mtime = -5
    tar = written(file, device, old, content=b"abc")
    first, second, third = read_entries(iter([tar[:700], tar[700:]]), TAR)
    assert first == LayerEntry("a", FILE, 0o4755, 0, uid=2**32 - 1, mtime=1, size=3)
    assert (second.kind, second.device, third.mtime) == (tarfile.CHRTYPE, (1, 3), 0)
    contents = read_contents(iter([tar]), TAR, {2})
    assert [(number, content.read()) for number, content in contents] == [(2, b"abc")]


def test_a_broken_or_strange_layer_is_an_error_of_the_registry() -> None:
    with pytest.raises(RegistryError, match="a layer of the image cannot be read"):
        read_entries(iter([written(tarfile.TarInfo("a"), content=b"x" * 600)[:700]]), TAR)
    with pytest.raises(RegistryError, match="cannot be read"):
        read_entries(iter([b"no gzip"]), f"{TAR}+gzip")
    strange = tarfile.TarInfo("a")
    strange.type = b"Z"
    with pytest.raises(RegistryError, match="unknown type"):
        read_entries(iter([written(strange)]), TAR)

"""Which layers of an image are made, which are taken over, and what is told of both."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.activation import Activation
from pixi_container.environment.entries import text_entry
from pixi_container.environment.environment_image import EnvironmentImage, Published, catalogue_tag
from pixi_container.environment.layers_in_place import Places
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.environment.progress import Progress
from pixi_container.environment.publish import publish
from pixi_container.environment.start_check import CHECK_KEY, CHECKED_BY, StartCheck
from pixi_container.errors import ImageTestFailedError
from pixi_container.image import layers
from tests.unit.environment.archives import Item, Made, package
from tests.unit.environment.memory_repository import MemoryRepository, put_base
from tests.unit.environment.publishing import PREFIX, image_of

HOOK = [Item("etc/conda/activate.d/hooked.sh", b"export A=1\n"), Item("lib/hooked", b"x")]


@dataclass
class Registry:
    """A registry in memory: the target, the base and a cache of layers; and a folder for temporary files."""

    folder: Path
    target: MemoryRepository = field(default_factory=MemoryRepository)
    base: MemoryRepository = field(default_factory=lambda: MemoryRepository("lab/base"))
    cache: MemoryRepository = field(default_factory=lambda: MemoryRepository("lab/layers"))

    def publish(self, image: EnvironmentImage, **options: Any) -> Published:  # noqa: ANN401
        if callable(check := options.get("check")):
            options["check"] = StartCheck(check)
        options = {"target": self.target, "base": self.base, "workers": 2, **options}
        target, base, env = options.pop("target"), options.pop("base"), {"RUNNER_TEMP": str(self.folder)}
        return publish(image, target, base, env=env, **options)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Where every package has a layer of its own."""
    monkeypatch.setattr(layers, "OWN_LAYER_BYTES", 1)
    (tmp_path / "temp").mkdir()
    made = Registry(tmp_path / "temp")
    put_base(made.base)
    return made


@pytest.fixture
def two(tmp_path: Path) -> tuple[Made, Made]:
    """Two packages, of which the second activates something."""
    channel = tmp_path / "channel"
    return package(channel, "alpha", [Item("lib/alpha", b"a" * 5000)]), package(channel, "hooked", HOOK)


def gone(*packages: Made) -> None:
    """Remove archives, so that nothing can be made of them."""
    for each in packages:
        each.archive.unlink()


def tree(repository: MemoryRepository, tag: str = "env-default") -> dict[str, bytes]:
    """Return the files of an image."""
    files = dict[str, bytes]()
    for layer in repository.document(tag)["layers"]:
        blob = repository.blobs[layer["digest"]]
        plain = gzip.decompress(blob) if layer["mediaType"].endswith("+gzip") else blob
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            contents = {info.name: tar.extractfile(info) for info in tar if info.isreg()}
            files |= {name: content.read() for name, content in contents.items() if content}
    return files


def test_a_first_image_has_all_layers_made(registry: Registry, two: tuple[Made, Made]) -> None:
    done = registry.publish(image_of(*two))
    assert sorted(done.made) == ["own-alpha", "own-hooked", "rest", "shells"]
    assert (done.layers, done.not_run, done.notes, done.checked_by, done.checked_now) == (4, (), (), "", False)
    sizes = sum(each.archive.stat().st_size for each in two)
    progress = done.progress
    assert (progress.packages, progress.of, progress.to_download, progress.downloaded) == (2, 2, sizes, sizes)
    ours = registry.target.document("env-default")["layers"][1:]
    assert progress.uploaded == sum(layer["size"] for layer in ours)
    assert list(registry.folder.iterdir()) == []


def test_the_files_of_an_image_are_where_they_belong(registry: Registry, two: tuple[Made, Made]) -> None:
    registry.publish(image_of(*two))
    files = tree(registry.target)
    prefix = PREFIX[1:]
    assert files[f"{prefix}/lib/alpha"] == b"a" * 5000
    assert files["etc/bash.bashrc"] == b"echo base\n. /app/.pixi/activate.sh\n"
    assert files["app/.pixi/.gitignore"] == b"*\n"
    assert files[f"{prefix}/conda-meta/history"] == b"// not relevant"
    assert {"app/entrypoint.sh", "app/.pixi/activate.sh", "etc/profile.d/pixi-container.sh"} <= files.keys()
    assert f". {PREFIX}/etc/conda/activate.d/hooked.sh" in files["app/.pixi/hook.sh"].decode()


def test_tags_come_last_and_the_moving_one_at_the_end(registry: Registry, two: tuple[Made, Made]) -> None:
    registry.publish(image_of(*two))
    assert list(registry.target.manifests) == ["env-default-paths", "env-default-1", "env-default"]
    assert catalogue_tag("env-default") == "env-default-paths"
    assert registry.target.calls[-2:] == ["put_manifest", "put_manifest"]


def test_without_an_image_before_nothing_is_kept_beside_it(registry: Registry, two: tuple[Made, Made]) -> None:
    registry.publish(image_of(*two, before=""))
    assert list(registry.target.manifests) == ["env-default-1", "env-default"]
    assert len(registry.publish(image_of(*two, before="")).made) == 4


def test_the_same_image_again_downloads_nothing(registry: Registry, two: tuple[Made, Made]) -> None:
    image = image_of(*two)
    first = registry.publish(image)
    gone(*two)
    second = registry.publish(image)
    assert (second.digest, second.made) == (first.digest, ("rest",))
    assert (second.progress.packages, second.progress.of, second.progress.to_download) == (2, 2, 0)


def test_a_package_that_changes_is_the_only_one_made(registry: Registry, two: tuple[Made, Made]) -> None:
    registry.publish(image_of(*two))
    other = package(two[0].archive.parent, "alpha", [Item("lib/alpha", b"new")], version="2.0")
    image = image_of(other, two[1])
    gone(*two)
    done = registry.publish(image)
    assert sorted(done.made) == ["own-alpha", "rest"]
    assert (done.progress.packages, done.progress.of) == (2, 2)
    assert tree(registry.target)[f"{PREFIX[1:]}/lib/alpha"] == b"new"


def test_another_base_has_new_start_up_files_and_the_old_packages(
    registry: Registry, two: tuple[Made, Made]
) -> None:
    image = image_of(*two)
    registry.publish(image)
    gone(*two)
    put_base(registry.base, bashrc="echo new\n")
    assert sorted(registry.publish(image).made) == ["rest", "shells"]
    assert tree(registry.target)["etc/bash.bashrc"].startswith(b"echo new\n")


@pytest.mark.parametrize("change", [{"workdir": "/srv"}, {"prefix": "/app/.pixi/envs/other"}])
def test_start_up_files_are_made_for_the_place_of_the_environment(
    registry: Registry, two: tuple[Made, Made], change: dict[str, str]
) -> None:
    image = image_of(*two)
    registry.publish(image)
    activation: Activation = replace(image.activation, **change)  # type: ignore[arg-type]
    assert "shells" in registry.publish(replace(image, activation=activation)).made


def test_layers_of_an_image_elsewhere_are_taken_over(registry: Registry, two: tuple[Made, Made]) -> None:
    image = image_of(*two)
    before = MemoryRepository("lab/before")
    first = registry.publish(image, target=before)
    gone(*two)
    done = registry.publish(image, before=before)
    assert (done.digest, done.made) == (first.digest, ("rest",))
    assert tree(registry.target) == tree(before)


def test_layers_that_the_cache_has_are_not_made(registry: Registry, two: tuple[Made, Made]) -> None:
    image = image_of(*two)
    first = registry.publish(image, target=MemoryRepository("lab/other"), cache=registry.cache, cache_writes=True)
    gone(*two)
    done = registry.publish(image, cache=registry.cache)
    assert (done.digest, done.made, done.notes) == (first.digest, ("rest",), ())


def test_a_cache_is_not_written_without_permission(registry: Registry, two: tuple[Made, Made]) -> None:
    registry.publish(image_of(*two), cache=registry.cache)
    assert (registry.cache.blobs, registry.cache.manifests) == ({}, {})


def test_a_layer_that_the_cache_has_lost_is_made(registry: Registry, two: tuple[Made, Made]) -> None:
    image = image_of(*two)
    first = registry.publish(image, target=MemoryRepository("lab/other"), cache=registry.cache, cache_writes=True)
    lost = layer_with(registry.cache, b"lib/alpha")
    del registry.cache.blobs[lost]
    done = registry.publish(image, cache=registry.cache)
    assert (done.digest, sorted(done.made)) == (first.digest, ["own-alpha", "rest"])
    (note,) = done.notes
    assert note == f"the layer cache ghcr.io/lab/layers cannot be read: {lost} is not there"


def layer_with(repository: MemoryRepository, text: bytes) -> str:
    """Return the digest of the layer in whose tar a text stands."""
    digests: list[str] = [repository.document(tag)["layers"][0]["digest"] for tag in repository.manifests]
    (digest,) = (each for each in digests if text in gzip.decompress(repository.blobs[each]))
    return digest


def test_of_two_packages_with_one_path_the_later_one_has_it(registry: Registry, tmp_path: Path) -> None:
    channel = tmp_path / "channel"
    one, other = (package(channel, name, [Item("lib/same", name.encode())]) for name in ("one", "other"))
    done = registry.publish(image_of(one, other))
    assert sorted(done.made) == ["own-one", "own-one", "own-other", "rest", "shells"], "again, without the path"
    files = tree(registry.target)
    assert files[f"{PREFIX[1:]}/lib/same"] == b"other"
    assert files[f"{PREFIX[1:]}/__clobbers__/one/lib/same"] == b"one"
    image = image_of(one, other)
    gone(one, other)
    assert registry.publish(image).made == ("rest",)


@pytest.mark.parametrize(("first", "second"), [("gzip", "zstd"), ("zstd", "gzip")])
def test_layers_of_another_compression_are_made_anew(
    registry: Registry, two: tuple[Made, Made], first: str, second: str
) -> None:
    registry.publish(image_of(*two, compression=first))
    assert len(registry.publish(image_of(*two, compression=second)).made) == 4
    ours = registry.target.document("env-default")["layers"][1:]
    kinds = {layer["mediaType"].rpartition("+")[2] for layer in ours}
    assert kinds == {second}


def test_one_layer_may_have_all_packages(registry: Registry, two: tuple[Made, Made]) -> None:
    done = registry.publish(image_of(*two, layers=1))
    assert (done.layers, sorted(done.made)) == (3, ["others", "rest", "shells"])


def test_packages_whose_scripts_nobody_runs_are_named(registry: Registry, tmp_path: Path) -> None:
    channel = tmp_path / "channel"
    scripts = {"after": "after-post-link.sh", "before": "before-pre-link.sh", "none": "after-post-link.bat"}
    packages = [package(channel, name, [Item(f"bin/.{script}")]) for name, script in scripts.items()]
    assert registry.publish(image_of(*packages)).not_run == ("after",)


def test_what_is_being_done_is_shown(registry: Registry, two: tuple[Made, Made]) -> None:
    shown: list[str] = []
    show = {"show": lambda progress: shown.append(progress.doing), "cache": registry.cache}
    registry.publish(image_of(*two), check=lambda _: None, **show)
    steps = list(dict.fromkeys(shown))
    assert steps[:2] == ["looking at what is there", "looking into the layer cache"]
    assert set(steps[2:4]) == {"package alpha", "package hooked"}
    assert steps[4:] == ["checking that the environment starts", "writing the manifest"]


def test_an_image_is_tried_once_with_the_layers_that_starting_needs(
    registry: Registry, two: tuple[Made, Made]
) -> None:
    tried: list[str] = []

    def check(digest: str) -> None:
        tried.append(digest)
        manifest = registry.target.get_manifest(digest)
        assert manifest
        assert len(manifest.layers) == 4, "the base, the start-up files, what activates, and the last layer"
        assert "env-default" not in registry.target.manifests

    image = image_of(*two, annotations={"own": "1"})
    first = registry.publish(image, check=check)
    assert (tried, first.checked_now) == ([first.checked_by], True)
    annotations = registry.target.document("env-default")["annotations"]
    assert (annotations["own"], annotations[CHECKED_BY], len(annotations[CHECK_KEY])) == ("1", tried[0], 64)
    second = registry.publish(image, check=check)
    assert (len(tried), second.checked_by, second.checked_now) == (1, tried[0], False)


def test_an_environment_that_does_not_start_gets_no_tag(registry: Registry, two: tuple[Made, Made]) -> None:
    def check(_: str) -> None:
        raise ImageTestFailedError("it does not start")

    with pytest.raises(ImageTestFailedError):
        registry.publish(image_of(*two), check=check)
    assert not {"env-default", "env-default-1", "env-default-paths"} & registry.target.manifests.keys()
    assert list(registry.folder.iterdir()) == []


def test_threads_may_use_each_repository_of_an_image(tmp_path: Path) -> None:
    target, base, before = (MemoryRepository(name) for name in ("a", "b", "c"))
    assert Places(target, base).repositories == (target, base)
    assert Places(target, base, before).repositories == (target, base, before)
    assert Places(OciLayout(tmp_path), base).repositories == (base,)


def activation_name(repository: MemoryRepository) -> str:
    """Return the part of activate.sh that tells one environment from another."""
    return str(re.findall(r"@([0-9a-f]{16})", tree(repository)["app/.pixi/activate.sh"].decode())[0])


def test_an_environment_with_other_packages_is_activated_anew(registry: Registry, tmp_path: Path) -> None:
    one, other = (package(tmp_path / "channel", name, [Item(f"lib/{name}")]) for name in ("one", "other"))
    names = []
    for packages, noted in (
        ((one,), "conda-meta/history"),
        ((one,), "conda-meta/.hidden"),
        ((one,), "etc/elsewhere"),
        ((one,), "conda-meta/more"),
        ((one, other), "conda-meta/history"),
    ):
        registry.target = MemoryRepository()
        registry.publish(image_of(*packages, prefix_files=(text_entry(noted, ""),)))
        names.append(activation_name(registry.target))
    assert names[1] == names[2]
    assert len(set(names)) == 4


def test_variables_of_packages_are_set_by_the_hook(registry: Registry, tmp_path: Path) -> None:
    variables = Item("etc/conda/env_vars.d/a.json", b'{"OWN": "1"}')
    registry.publish(image_of(package(tmp_path / "channel", "a", [variables])))
    files = tree(registry.target)
    assert "export OWN=1\n" in files["app/.pixi/hook.sh"].decode()
    assert files[f"{PREFIX[1:]}/etc/conda/env_vars.d/a.json"] == b'{"OWN": "1"}'


def test_the_largest_packages_come_first_and_leave_nothing_behind(registry: Registry, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(50_000)  # noqa: S311
    sizes = {"small": 10, "large": 50_000, "medium": 20_000}
    channel = tmp_path / "channel"
    packages = [package(channel, name, [Item(f"lib/{name}", noise[:size])]) for name, size in sizes.items()]
    shown: list[str] = []
    archives: list[int] = []

    def show(progress: Progress) -> None:
        if progress.doing.startswith("package ") and progress.doing not in shown:
            shown.append(progress.doing)
            # Other threads remove folders meanwhile, which os.walk passes over.
            names = [name for _, _, files in os.walk(registry.folder) for name in files]
            archives.append(sum(name.endswith(".conda") for name in names))

    registry.publish(image_of(*packages), workers=1, show=show)
    assert shown == ["package large", "package medium", "package small"]
    registry.target = MemoryRepository()
    shown.clear()
    registry.publish(image_of(*packages, layers=1), workers=1, show=show)
    assert len(shown) == 3
    assert archives == [0] * 6, "an archive goes before the next one comes"


def test_more_layers_may_be_made_than_there_is_room_for_at_once(registry: Registry, tmp_path: Path) -> None:
    packages = [package(tmp_path / "channel", f"p{number}", [Item(f"lib/{number}")]) for number in range(9)]
    assert len(registry.publish(image_of(*packages), workers=1).made) == 11


def test_a_layer_that_is_made_again_is_not_taken_from_elsewhere(
    registry: Registry, two: tuple[Made, Made]
) -> None:
    image = image_of(*two)
    before = MemoryRepository("lab/before")
    first = registry.publish(image, target=before)
    del before.manifests["env-default-paths"]
    done = registry.publish(image, before=before)
    assert (done.digest, sorted(done.made)) == (first.digest, ["own-alpha", "own-hooked", "rest"])
    assert registry.target.calls.count("take") == 2, "the base's layer, and that of the start-up files"

"""The pipeline: what it makes, what it takes from before, and what is left when it fails."""

from __future__ import annotations

import hashlib
import json
import random
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixi_container.environment.environment_image import catalogue_tag
from pixi_container.environment.oci_layout import OciLayout
from pixi_container.environment.progress import Progress
from pixi_container.environment.publish import publish
from pixi_container.environment.refusals import NotDirectError
from pixi_container.errors import UserError
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.repository import ImageRepository
from pixi_container.workspace.lock import LockedPackage
from tests.unit.environment.archives import Item, Made, package, wheel
from tests.unit.environment.publishing import GZIP, PREFIX, Place, image_of, locked, process, put_base, served
from tests.unit.registry.loopback import digest_of, loopback_registry


def test_the_image_has_every_file(place: Place, packages: list[Made]) -> None:
    seen: list[Progress] = []
    done = place.publish(image_of(*packages), show=seen.append)
    tree = place.tree()
    inside = PREFIX[1:]
    for name in ("alpha", "beta", "gamma"):
        assert tree[f"{inside}/lib/{name}.txt"] == name.encode() * 100_000
        assert json.loads(tree[f"{inside}/conda-meta/{name}-1.0-0.json"])["name"] == name
    assert tree["etc/bash.bashrc"] == b"echo base\n. /app/.pixi/activate.sh\n"
    assert tree[f"{inside}/conda-meta/history"] == b"// not relevant"
    assert tree["app/.pixi/.gitignore"] == b"*\n"
    hook = tree["app/.pixi/hook.sh"].decode()
    assert f"export VARIABLE=1\n. {PREFIX}/etc/conda/activate.d/hooked.sh\n" in hook
    assert f"export PIXI_CONTAINER_ACTIVE={PREFIX}@".encode() in tree["app/.pixi/activate.sh"]
    assert tree["app/entrypoint.sh"].endswith(b'exec "$@"\n')
    assert place.server.tags("lab/study") == {"env-default-1", "env-default", "env-default-paths"}
    assert done.digest == digest_of(place.server.manifests["lab/study"]["env-default-1"][1])
    assert (seen[-1].packages, seen[-1].of) == (4, 4)
    assert seen[-1].downloaded == sum(made.archive.stat().st_size for made in packages)


@pytest.mark.slow
def test_the_same_lock_gives_the_same_digest_without_a_download(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages)
    first = place.publish(image)
    blobs = dict(place.server.blobs["lab/study"])
    uploads = place.server.count("^PUT .*uploads")
    for made in packages:
        made.archive.unlink()
    second = place.publish(image)
    assert second.digest == first.digest
    assert second.made == ("rest",)
    assert place.server.blobs["lab/study"] == blobs
    assert place.server.count("^PUT .*uploads") == uploads


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_threads_do_not_change_the_digest(place: Place, packages: list[Made], workers: int) -> None:
    image = image_of(*packages)
    digest = place.publish(image, workers=workers).digest
    again = place.publish(replace(image, before="", tags=("other",)), workers=5 - workers)
    assert again.digest == digest
    assert len(again.made) == len(place.layer_keys())


def test_a_bump_makes_one_layer_and_downloads_one_package(
    place: Place, packages: list[Made], tmp_path: Path
) -> None:
    place.publish(image_of(*packages))
    keys = place.layer_keys()
    bumped = package(tmp_path / "channel", "beta", [Item("lib/beta.txt", b"new")], version="2.0")
    after = [packages[0], bumped, *packages[2:]]
    image = image_of(*after)
    for made in (packages[0], *packages[2:]):
        made.archive.unlink()
    done = place.publish(image)
    assert sorted(done.made) == ["own-beta", "rest"]
    assert done.progress.downloaded == bumped.archive.stat().st_size
    assert len(set(keys) - set(place.layer_keys())) == 2
    tree = place.tree()
    assert tree[f"{PREFIX[1:]}/lib/beta.txt"] == b"new"
    assert f"{PREFIX[1:]}/conda-meta/beta-1.0-0.json" not in tree


@pytest.mark.slow
def test_the_later_of_two_packages_keeps_a_path_that_both_have(place: Place, tmp_path: Path) -> None:
    one, other = (
        package(tmp_path / "channel", name, [Item("lib/same.txt", name.encode())]) for name in ("one", "other")
    )
    done = place.publish(image_of(one, other))
    tree = place.tree()
    assert tree[f"{PREFIX[1:]}/lib/same.txt"] == b"other"
    assert tree[f"{PREFIX[1:]}/__clobbers__/one/lib/same.txt"] == b"one"
    assert done.made.count("own-one") == 2, "it was made before the other one's paths were known"
    assert place.publish(image_of(one, other)).made == ("rest",)


@pytest.mark.slow
def test_the_later_package_has_a_variable_that_both_set(place: Place, tmp_path: Path) -> None:
    path = "etc/conda/env_vars.d/same.json"
    one, other = (
        package(tmp_path / "channel", name, [Item(path, f'{{"VALUE": "{name}"}}'.encode())])
        for name in ("one", "other")
    )
    for made, value in (([one, other], "other"), ([one], "one"), ([one, other], "other"), ([other, one], "one")):
        place.publish(image_of(*made))
        assert place.tree()["app/.pixi/hook.sh"].startswith(f"export VALUE={value}\n".encode())


@pytest.mark.slow
def test_a_bump_sees_a_clobber_with_a_package_that_is_not_downloaded(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "channel"
    one = package(folder, "one", [Item("lib/same.txt", b"one")])
    other = package(folder, "other", [Item("lib/else.txt", b"other")])
    place.publish(image_of(one, other))
    bumped = package(folder, "other", [Item("lib/same.txt", b"other")], version="2.0")
    # The loser has to be made anew; the winner alone is what changed.
    place.publish(image_of(one, bumped))
    tree = place.tree()
    assert tree[f"{PREFIX[1:]}/lib/same.txt"] == b"other"
    assert tree[f"{PREFIX[1:]}/__clobbers__/one/lib/same.txt"] == b"one"
    image = image_of(bumped, one)
    bumped.archive.rename(bumped.archive.with_suffix(".gone"))
    with pytest.raises(UserError, match="package 'other' cannot be downloaded"):
        place.publish(image)
    assert place.tree() == tree


@pytest.mark.slow
@pytest.mark.parametrize("catalogue", [None, b"garbage"])
def test_without_the_catalogue_everything_is_made_anew(
    place: Place, packages: list[Made], catalogue: bytes | None
) -> None:
    image = image_of(*packages)
    first = place.publish(image)
    there = place.server.manifests["lab/study"]
    if catalogue is None:
        del there[catalogue_tag("env-default")]
    else:
        table = json.loads(there[catalogue_tag("env-default")][1])
        table["layers"] = [{"mediaType": "x", "digest": digest_of(catalogue), "size": len(catalogue)}]
        place.server.blobs["lab/study"][digest_of(catalogue)] = catalogue
        place.server.put_manifest("lab/study", catalogue_tag("env-default"), json.dumps(table).encode())
    second = place.publish(image)
    assert second.digest == first.digest
    assert second.progress.downloaded > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["repository", "layout"])
def test_layers_of_an_image_somewhere_else_are_taken_over(
    place: Place, packages: list[Made], tmp_path: Path, kind: str
) -> None:
    image = image_of(*packages)
    first = place.publish(image)
    for made in packages[1:]:
        made.archive.unlink()
    bumped = package(tmp_path / "channel", "alpha", [Item("lib/alpha.txt", b"new")], version="2.0")
    before, other, base = (
        ImageRepository(place.registries, ImageReference(place.server.address, name))
        for name in ("lab/study", "lab/other", "base")
    )
    target = other if kind == "repository" else OciLayout(tmp_path / "layout")
    environment = replace(
        image.environment, packages=(*locked([bumped]).packages, *image.environment.packages[1:])
    )
    records = {**image.environment.records, **locked([bumped]).records}
    after = replace(image, environment=replace(environment, records=records))
    env = {"RUNNER_TEMP": str(place.folder)}
    done = publish(after, target, base, env=env, before=before)
    assert sorted(done.made) == ["own-alpha", "rest"]
    assert done.digest != first.digest
    manifest = target.get_manifest("env-default")
    assert manifest
    assert manifest.config
    for blob in (manifest.config, *manifest.layers):
        assert digest_of(target.get(blob)) == blob.digest
    assert before.get_manifest("env-default-1") != manifest


@pytest.mark.slow
def test_a_catalogue_of_an_image_that_did_not_come_about_misleads_nobody(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "channel"
    one = package(folder, "one", [Item("lib/same.txt", b"one")])
    other = package(folder, "other", [Item("lib/else.txt", b"other")])
    first = place.publish(image_of(one, other))
    bumped = package(folder, "other", [Item("lib/same.txt", b"other")], version="2.0")
    place.server.faults = [("PUT .*manifests/env-default-1$", 500)] * 4
    with pytest.raises(UserError):
        place.publish(image_of(one, bumped))
    assert place.publish(image_of(one, other)).digest == first.digest
    assert place.tree()[f"{PREFIX[1:]}/lib/same.txt"] == b"one"


@pytest.mark.slow
def test_an_error_stops_what_others_are_doing(place: Place, packages: list[Made]) -> None:
    with stalling() as url:
        environment = locked(packages)
        first, second, *others = environment.packages
        slow, wrong = replace(first, location=f"{url}/alpha.conda"), replace(second, sha256="0" * 64)
        image = image_of(environment=replace(environment, packages=(slow, wrong, *others)))
        with pytest.raises(UserError, match="package 'beta' cannot be downloaded"):
            place.publish(image, workers=2)
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("layer")] == []


@contextmanager
def stalling() -> Iterator[str]:
    """Serve nothing, but never say so; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
def test_zstd_layers_are_not_taken_for_gzip(place: Place, packages: list[Made]) -> None:
    place.publish(image_of(*packages, compression="zstd"))
    assert {layer["mediaType"].rpartition("+")[2] for layer in place.manifest()["layers"][1:]} == {"zstd"}
    place.publish(image_of(*packages))
    assert {layer["mediaType"] for layer in place.manifest()["layers"]} == {GZIP}


@pytest.mark.slow
def test_one_layer_has_all_packages(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages, layers=1)
    done = place.publish(image)
    assert sorted(done.made) == ["others", "rest", "shells"]
    assert place.tree()[f"{PREFIX[1:]}/lib/gamma.txt"]
    assert place.publish(image).made == ("rest",)


@pytest.mark.slow
def test_another_base_keeps_the_layers_of_packages(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages)
    place.publish(image)
    put_base(place.server, "echo new\n")
    assert set(place.publish(image).made) == {"shells", "rest"}
    assert place.tree()["etc/bash.bashrc"].startswith(b"echo new\n")


@pytest.mark.slow
def test_a_base_of_another_registry_is_copied(place: Place, packages: list[Made]) -> None:
    with loopback_registry() as other:
        put_base(other)
        target = ImageRepository(place.registries, ImageReference(place.server.address, "lab/study"))
        base = ImageRepository(place.registries, ImageReference(other.address, "base"))
        publish(image_of(*packages), target, base, env={"RUNNER_TEMP": str(place.folder)})
    assert place.tree()["bin/bash"] == b"\x7fELF"


def test_a_base_that_is_not_there_is_named(place: Place, packages: list[Made]) -> None:
    with pytest.raises(UserError, match=r"there is no image .*/base:2 for linux/amd64"):
        place.publish(image_of(*packages, base="2"))


def test_what_only_pixi_can_install_is_refused_without_a_tag(
    place: Place, packages: list[Made], tmp_path: Path
) -> None:
    odd = package(tmp_path / "channel", "odd", [Item("lib/alpha.txt/file", b"")])
    with pytest.raises(NotDirectError, match=r"has lib/alpha\.txt as a file"):
        place.publish(image_of(*packages, odd))
    assert place.server.tags("lab/study") == set()


def test_packages_whose_post_link_scripts_nothing_runs_are_named(place: Place, tmp_path: Path) -> None:
    fonts = package(tmp_path / "channel", "fonts", [Item("bin/.fonts-post-link.sh", b"true", mode=0o755)])
    assert place.publish(image_of(fonts)).not_run == ("fonts",)


@pytest.mark.slow
def test_wheels_are_installed_where_python_looks_for_them(place: Place, tmp_path: Path) -> None:
    python = package(tmp_path / "channel", "python", [Item("bin/python3.11", b"", mode=0o755)], version="3.11.9")
    shared = {"space/__init__.py": b"# a namespace"}
    files = [wheel(tmp_path / "wheels", name, {**shared, f"space/{name}.py": name}) for name in ("one", "two")]
    with served(tmp_path / "wheels") as url:
        locked_wheels = [
            LockedPackage(
                name=file.name.partition("-")[0].title(),
                version="1.0",
                build="",
                kind="pypi",
                size=None,
                sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
                md5="",
                location=f"{origin}{url}/{file.name}",
            )
            for file, origin in zip(files, ("", "direct+"), strict=True)
        ]
        environment = locked([python])
        image = image_of(
            environment=replace(environment, packages=(*environment.packages, *locked_wheels)), layers=2
        )
        first = place.publish(image)
        without = replace(environment, packages=tuple(locked_wheels), records={})
        with pytest.raises(NotDirectError, match="is for Python, and the environment has none"):
            place.publish(image_of(environment=without, tags=("none",), before=""))
    packages_folder = f"{PREFIX[1:]}/lib/python3.11/site-packages"
    tree = place.tree()
    for name in ("one", "two"):
        assert tree[f"{packages_folder}/space/{name}.py"] == name.encode()
        assert b"space/__init__.py,sha256=" in tree[f"{packages_folder}/{name}-1.0.dist-info/RECORD"]
    assert tree[f"{packages_folder}/space/__init__.py"] == b"# a namespace"
    assert f"{packages_folder}/one-1.0.dist-info/direct_url.json" not in tree
    assert url.encode() in tree[f"{packages_folder}/two-1.0.dist-info/direct_url.json"]
    assert place.publish(image).digest == first.digest
    assert "none" not in place.server.tags("lab/study")


FAULTS = [
    ("HEAD", 500),
    ("POST", 0),
    ("PUT .*uploads", 0),
    ("PUT .*uploads", 404),
    ("PUT .*uploads", 401),
    ("POST", 429),
    ("GET", 503),
    ("GET", 0),
    ("PUT .*manif", 500),
    ("PUT .*manif", 0),
]


@pytest.mark.more_cases
@pytest.mark.parametrize(
    "seed", [3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(85) if seed != 3)]
)
def test_trouble_never_leaves_a_tag_on_what_is_not_whole(
    place: Place, packages: list[Made], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    image = image_of(*packages)
    whole = place.publish(replace(image, before="", tags=("whole",)))
    tree = place.tree("whole")
    for repository in (place.server.blobs, place.server.manifests):
        repository.pop("lab/study")
    # So much trouble that some of it lasts.
    place.server.faults = [chance.choice(FAULTS) for _ in range(chance.randint(1, 60))]
    while True:
        try:
            done = place.publish(image)
            break
        except UserError:
            for tag in place.server.tags("lab/study") - {catalogue_tag("env-default")}:
                assert place.tree(tag) == tree
    assert done.digest == whole.digest
    assert place.tree() == tree


@pytest.mark.parametrize("field", ["sha256", "location", "size"])
def test_a_wrong_package_leaves_no_tag(place: Place, packages: list[Made], field: str) -> None:
    wrong: dict[str, Any] = {"sha256": "0" * 64, "location": "file:///nowhere/beta.conda", "size": 10}
    environment = locked(packages)
    changed = replace(environment.packages[1], **{field: wrong[field]})
    entries = (environment.packages[0], changed, *environment.packages[2:])
    with pytest.raises(UserError, match="package 'beta' cannot be downloaded"):
        place.publish(image_of(*packages, environment=replace(environment, packages=entries)))
    assert place.server.tags("lab/study") == set()


@pytest.mark.slow
@pytest.mark.parametrize("at", [*range(1, 11), *range(12, 21, 2)])
def test_a_signal_leaves_neither_a_file_nor_a_tag(place: Place, packages: list[Made], at: int) -> None:
    channel = packages[0].archive.parent
    with process(place, channel) as running:

        def stop(number: int) -> None:
            if number == at:
                running.send_signal(signal.SIGTERM)

        place.server.watch = stop
        _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM, said.decode()
    assert list(place.folder.iterdir()) == []
    assert place.server.tags("lab/study") == set()
    made = sorted(packages, key=lambda package: package.archive.name)
    assert place.publish(image_of(*made)).digest
    assert place.tree()


@pytest.mark.slow
def test_a_disk_without_room_is_said(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(UserError, match=r"the layers of the environment cannot be written: File too large"):
            place.publish(image)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert place.server.tags("lab/study") == set()
    assert place.publish(image).digest


@pytest.mark.slow
def test_memory_does_not_grow_with_a_package(place: Place, tmp_path: Path) -> None:
    import tracemalloc

    content = random.Random(1).randbytes(1 << 20) * 150  # noqa: S311 - no secret
    large = package(tmp_path / "channel", "large", [Item("lib/large.bin", content)])
    image = image_of(large)
    del content
    # What the registry of this test keeps in memory is not what is measured.
    place.server.faults = [("PUT .*uploads", 500)] * 99
    tracemalloc.start()
    with pytest.raises(UserError):
        place.publish(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 << 20

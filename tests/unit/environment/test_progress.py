"""What is shown of an image on its way: never by two threads at once, and it adds up in the end."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from pixi_container.environment.progress import Progress, ProgressCount
from tests.unit.environment.archives import Made
from tests.unit.environment.publishing import Place, image_of


def test_it_is_shown_by_one_thread_at_a_time() -> None:
    inside, most = 0, 0

    def show(_: Progress) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.001)
        inside -= 1

    progress = ProgressCount(show)

    def work() -> None:
        for _ in range(10):
            progress.count(downloaded=1, uploaded=2)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert (progress.now.downloaded, progress.now.uploaded) == (40, 80)


def test_it_is_not_shown_after_the_end() -> None:
    seen: list[Progress] = []
    progress = ProgressCount(seen.append)
    progress.tell("something")
    progress.end()
    progress.tell("something else")
    progress.count(packages=1)
    assert [each.doing for each in seen] == ["something"]


def test_all_numbers_grow_to_the_whole(place: Place, packages: list[Made]) -> None:
    seen: list[Progress] = []
    image = image_of(*packages)
    place.publish(image, show=seen.append)
    size = sum(made.archive.stat().st_size for made in packages)
    last = seen[-1]
    assert (last.packages, last.of, last.downloaded, last.to_download) == (4, 4, size, size)
    blobs = place.server.blobs["lab/study"]
    assert last.uploaded == sum(len(blobs[layer["digest"]]) for layer in place.manifest()["layers"][1:])
    for before, after in pairwise(seen):
        assert (before.packages, before.downloaded, before.uploaded) <= (
            after.packages,
            after.downloaded,
            after.uploaded,
        )
        assert after.downloaded <= after.to_download
    told = list(dict.fromkeys(each.doing for each in seen))
    assert told[0] == "looking at what is there"
    assert told[-1] == "writing the manifest"
    assert {f"package {name}" for name in ("alpha", "beta", "gamma", "hooked")} <= set(told)


@pytest.mark.slow
def test_what_is_there_already_is_no_download(place: Place, packages: list[Made]) -> None:
    place.publish(image_of(*packages))
    seen: list[Progress] = []
    place.publish(image_of(*packages), show=seen.append)
    assert (seen[-1].packages, seen[-1].of, seen[-1].downloaded, seen[-1].to_download) == (4, 4, 0, 0)


@pytest.mark.slow
def test_a_lock_without_sizes_tells_none(place: Place, packages: list[Made]) -> None:
    image = image_of(*packages)
    unknown = tuple(replace(each, size=None) for each in image.environment.packages)
    image = replace(image, environment=replace(image.environment, packages=unknown))
    done = place.publish(image)
    assert done.progress.to_download == 0
    assert done.progress.downloaded == sum(made.archive.stat().st_size for made in packages)

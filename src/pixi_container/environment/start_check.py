"""What an environment needs to start, and the key under which it is tried once that it does.

Linking asserts what holds by construction: paths, modes and contents. Whether scripts and programs work together
shows only when they run; so that is tried with a small image of what takes part in it, and is known from then on
for every image with the same key.
"""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixi_container.environment.activation import activation_entries, hook_text
from pixi_container.environment.layer_making import activation_files
from pixi_container.environment.package_set import hashed
from pixi_container.image.environment_way import LAYOUT_VERSION
from pixi_container.json_object import object_in, object_under
from pixi_container.registry.reference import DIGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from pixi_container.environment.catalogue import PackageFiles
    from pixi_container.environment.environment_image import EnvironmentImage
    from pixi_container.environment.image_config import BaseImage, Document
    from pixi_container.environment.package_set import PackageSet
    from pixi_container.environment.records import CondaRecord

CHECK_KEY = "pixi-container.check-key"
CHECKED_BY = "pixi-container.checked-by"
"""Annotations of an image: the key, and the digest of the small image that was tried."""

_NAME = re.compile(r"(?:[^\s:]*::)?([A-Za-z0-9_.-]+)")


@dataclass(frozen=True)
class StartCheck:
    """How an environment is started: ``run`` gets the digest of an image, and raises if nothing starts in it.

    ``preparing`` may take a part of the work ahead of it, while the environment is made.
    """

    run: Callable[[str], None]
    preparing: Callable[[], AbstractContextManager[None]] = nullcontext


def starting_packages(packages: PackageSet, files: Mapping[str, PackageFiles]) -> frozenset[str]:
    """Return the packages that starting needs: Python, those that activate something, and their dependencies."""
    activating = [name for name in packages.records if files[f"conda:{name}"].activation]
    return frozenset(f"conda:{name}" for name in _with_dependencies(["python", *activating], packages.records))


@dataclass(frozen=True)
class CheckKeys:
    """Digests of all that decides whether an environment starts.

    ``exact`` is this environment's. ``named_anyhow`` is the same for environments that differ in their name alone,
    and so in the folder that they are in.
    """

    exact: str
    named_anyhow: str


def check_keys(
    image: EnvironmentImage,
    base: BaseImage,
    config: Document,
    packages: PackageSet,
    files: Mapping[str, PackageFiles],
) -> CheckKeys:
    """Return the digests.

    They have the packages that starting needs instead of the layers that these are in, as a layer may have others.
    """
    activation, lost = image.activation, packages.lost(files)
    hook = hook_text(activation, activation_files(packages, files))
    # Without the names of records, which are part of a digest and of nothing that runs.
    scripts = [
        [entry.path, entry.mode, entry.target, b"".join(entry.content).decode("utf-8", "surrogateescape")]
        for entry in activation_entries(activation, hook, ())
    ]
    started_with = object_under(json.loads(config.content), "config")
    needed = sorted(starting_packages(packages, files))
    basis = {
        "layout": LAYOUT_VERSION,
        "platform": image.platform,
        "base": base.diff_ids,
        "prefix": activation.prefix,
        "workdir": activation.workdir,
        "settings": {name: value for name, value in started_with.items() if name != "Labels"},
        "lost": {name: sorted(lost.get(name, ())) for name in needed},
        "scripts": scripts,
    }
    exact = {**basis, "packages": {name: packages.identities[name] for name in needed}}
    elsewhere = packages.identities_below("")
    text = json.dumps({**basis, "packages": {name: elsewhere[name] for name in needed}}, sort_keys=True)
    name = activation.prefix.rpartition("/")[2]
    # The name as a word, as others may have the same letters, and with the digest of what else is here.
    anyhow = re.sub(rf"(?<![A-Za-z0-9_-]){re.escape(name)}(?:@[0-9a-f]{{16}}|(?![A-Za-z0-9_-]))", "<name>", text)
    return CheckKeys(hashed(exact), hashed(anyhow))


def recorded_checks(manifest: bytes) -> dict[str, str]:
    """Return the image that was tried, by the key, as the manifest of another image tells; empty for none."""
    annotations = object_under(object_in(json.loads(manifest)), "annotations")
    key, digest = annotations.get(CHECK_KEY), annotations.get(CHECKED_BY)
    return {str(key): str(digest)} if key and DIGEST.fullmatch(str(digest)) else {}


def check_annotations(key: str, digest: str) -> dict[str, str]:
    """Return what tells later images of a check; nothing where there was none."""
    return {CHECK_KEY: key, CHECKED_BY: digest} if digest else {}


def _with_dependencies(names: Iterable[str], records: Mapping[str, CondaRecord]) -> set[str]:
    """Return the packages with all that they depend on, as far as the environment has it."""
    pending, needed = list(names), set[str]()
    while pending:
        name = pending.pop()
        if name in records and name not in needed:
            needed.add(name)
            specs = records[name].fields.get("depends") or ()
            pending += [match[1].lower() for spec in specs if (match := _NAME.match(str(spec)))]
    return needed

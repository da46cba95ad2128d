"""Layers made of packages, each in a file of its own until it is uploaded. Any thread may make one."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_container.environment.activation import SCRIPTS, VARIABLES, activation_entries, hook_text, shell_entries
from pixi_container.environment.archive import open_archive
from pixi_container.environment.catalogue import PackageFiles
from pixi_container.environment.clobbers import conda_paths
from pixi_container.environment.entries import PART_BYTES
from pixi_container.environment.layer_tar import FORMS, LayerWriter, file_parts
from pixi_container.environment.linking import link
from pixi_container.environment.package_metadata import read_metadata
from pixi_container.environment.refusals import NotDirectError
from pixi_container.environment.shared_payloads import SharedPayloads
from pixi_container.environment.wheels import open_wheel
from pixi_container.image.layers import REST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager

    from pixi_container.environment.archive import CondaPackage
    from pixi_container.environment.downloads import Downloads
    from pixi_container.environment.entries import PathEntry
    from pixi_container.environment.environment_image import EnvironmentImage
    from pixi_container.environment.layer_keys import KeyedLayer
    from pixi_container.environment.layer_tar import Borrowed, LayerBlob
    from pixi_container.environment.package_set import PackageSet
    from pixi_container.environment.progress import ProgressCount
    from pixi_container.environment.shared_contents import PackageContents, SharedContents
    from pixi_container.environment.threads import Stop
    from pixi_container.registry.blobs import Parts


@dataclass(frozen=True)
class MadeLayer:
    """A layer in a file of its own folder; ``key`` is what it is found by, ``packages`` are the files in it.

    Its ``borrowed`` bytes are in files that environments share.
    """

    name: str
    key: str
    layer: LayerBlob
    file: Path
    packages: Mapping[str, PackageFiles] = field(default_factory=dict)
    borrowed: Sequence[Borrowed] = ()

    def parts(self) -> Parts:
        """Yield its bytes."""
        return file_parts(self.file, self.borrowed)


class LayerMaking:
    """Makes the layers of an image below a folder, at most ``most`` of which are there at once."""

    def __init__(
        self,
        image: EnvironmentImage,
        packages: PackageSet,
        downloads: Downloads,
        folder: Path,
        most: int,
        stop: Stop,
        progress: ProgressCount,
        shared: SharedContents | None = None,
    ) -> None:
        self._image = image
        self._packages = packages
        self._downloads = downloads
        self._folder = folder
        self._room = threading.Semaphore(most)
        self._stop = stop
        self._progress = progress
        self._shared = shared

    def make(self, keyed: KeyedLayer, lost: Mapping[str, AbstractSet[str]]) -> MadeLayer:
        """Make a layer of packages, of which some paths are ``lost`` to others."""
        packages: dict[str, PackageFiles] = {}

        def write(writer: LayerWriter, folder: Path) -> None:
            written: set[str] = set()
            for name in keyed.packages:
                self._progress.tell(f"package {name.partition(':')[2]}")
                archive = self._downloads.download(self._packages.packages[name], folder)
                if name.startswith("conda:"):
                    packages[name] = self._link(name, archive, writer, lost.get(name, frozenset()))
                else:
                    packages[name] = self._install_wheel(name, archive, writer, written)
                archive.unlink()
                self._progress.count(packages=1)

        layer, file, borrowed = self._written(write)
        return MadeLayer(keyed.name, keyed.key, layer, file, packages, borrowed)

    def make_shells(self, keyed: KeyedLayer, bashrc: PathEntry | None) -> MadeLayer:
        """Make the layer with the shells' start-up files; ``bashrc`` is the base's, of which ours is the end."""
        entries = shell_entries(bashrc, self._image.activation)
        layer, file, _ = self._written(lambda writer, _: writer.add(entries))
        return MadeLayer(keyed.name, keyed.key, layer, file)

    def make_rest(self, files: Mapping[str, PackageFiles]) -> MadeLayer:
        """Make the last layer: what pixi notes of the environment, and what activates it."""
        image, activation = self._image, self._image.activation
        in_meta = [
            *(record.path for record in self._packages.records.values()),
            *(entry.path for entry in image.prefix_files),
        ]
        names = [Path(path).name for path in in_meta if path.startswith("conda-meta/")]
        hook = hook_text(activation, activation_files(self._packages, files))

        def write(writer: LayerWriter, _: Path) -> None:
            writer.add(image.workspace_files, f"{activation.place}/.pixi")
            writer.add(image.prefix_files, activation.prefix)
            shown = [name for name in names if not name.startswith(".")]
            writer.add(activation_entries(activation, hook, shown), activation.workdir)

        layer, file, _ = self._written(write)
        return MadeLayer(REST, layer.diff_id, layer, file)

    def remove(self, made: MadeLayer) -> None:
        """Remove the file of a layer, which makes room for another one."""
        shutil.rmtree(made.file.parent)
        self._room.release()

    def _written(self, write: Callable[[LayerWriter, Path], None]) -> tuple[LayerBlob, Path, Sequence[Borrowed]]:
        """Return a layer in a file of its own, once there is room for it, and what is not in the file."""
        while not self._room.acquire(timeout=0.2):
            self._stop.check()
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        file = folder / "layer"
        with file.open("wb") as out:
            writer = LayerWriter(out, self._image.compression)
            write(writer, folder)
            return writer.finish(), file, writer.borrowed

    def _link(self, name: str, path: Path, writer: LayerWriter, lost: AbstractSet[str]) -> PackageFiles:
        record, prefix = self._packages.records[name.partition(":")[2]], self._packages.prefix
        python = self._packages.python
        kept: dict[str, bytes] = {}
        with self._opened(name, path) as archive, self._members(name) as members:
            metadata = read_metadata(archive.name, archive.metadata, archive.about_time, python)
            entries = link(archive, record, prefix, python, lost, metadata)
            writer.add(self._passed(entries, kept), prefix, members)
        return PackageFiles(self._packages.identities[name], conda_paths(record.name, metadata), kept)

    def _install_wheel(self, name: str, path: Path, writer: LayerWriter, written: set[str]) -> PackageFiles:
        package, python = self._packages.packages[name], self._packages.python
        if python is None:
            raise NotDirectError(package.name, "is for Python, and the environment has none")
        url = package.location.removeprefix("direct+") if package.location.startswith("direct+") else ""
        prefix = self._packages.prefix
        with open_wheel(path, python) as wheel, self._members(name) as members:
            table = wheel.paths(name.partition(":")[2])
            entries = _unwritten(wheel.entries(prefix, url), written)
            writer.add(self._passed(entries, {}), prefix, members)
        return PackageFiles(self._packages.identities[name], table)

    def _opened(self, name: str, path: Path) -> AbstractContextManager[CondaPackage]:
        """Open a conda package, which other environments may have taken apart."""
        if self._shared is None:
            return open_archive(path)
        sha256 = self._packages.packages[name].sha256
        return SharedPayloads(self._shared).opened(path, sha256, self._stop.check)

    def _members(self, name: str) -> AbstractContextManager[PackageContents | None]:
        """Return the compressed files of a package that other environments share with this one."""
        form = FORMS.get(self._image.compression)
        if self._shared is None or form is None:
            return nullcontext()
        return self._shared.of_package(self._packages.packages[name].sha256, form, self._stop.check)

    def _passed(self, entries: Iterable[PathEntry], kept: dict[str, bytes]) -> Iterator[PathEntry]:
        """Pass entries on, and keep what the activation is made of."""
        for entry in entries:
            self._stop.check()
            path = entry.path
            if path.startswith((SCRIPTS, VARIABLES)) and entry.kind != "directory":
                content = b"".join(entry.content)
                kept[path] = content if path.startswith(VARIABLES) else b""
                yield replace(entry, content=(content,))
            elif entry.size > PART_BYTES:
                yield replace(entry, content=self._stop.checked(entry.content))
            else:
                yield entry


def activation_files(packages: PackageSet, files: Mapping[str, PackageFiles]) -> dict[str, bytes]:
    """Return the files of packages that the activation is made of, by their path."""
    activation: dict[str, bytes] = {}
    for name in packages.records:
        # Of those with the same path, the last one has it.
        activation |= files[f"conda:{name}"].activation
    return activation


def _unwritten(entries: Iterable[PathEntry], written: set[str]) -> Iterator[PathEntry]:
    """Pass on what is not ``written`` yet: parts of a namespace may have the same file."""
    for entry in entries:
        if entry.kind != "directory" and entry.path in written:
            for _ in entry.content:
                pass
        else:
            written.add(entry.path)
            yield entry

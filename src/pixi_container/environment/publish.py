"""The image of an environment, made from the lock and brought to a registry or a folder, without an engine.

Layers that the image before has are taken by their digest; the packages of the others are downloaded, linked and
compressed by some threads, while others upload what is ready. Tags come last: what they name is always whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pixi_container.environment.activation import SCRIPTS, VARIABLES, activation_entries, hook_text, shell_entries
from pixi_container.environment.archive import open_archive
from pixi_container.environment.base_files import own_bashrc
from pixi_container.environment.catalogue import (
    MEDIA_TYPE,
    PackageFiles,
    catalogue_bytes,
    identity,
    read_catalogue,
)
from pixi_container.environment.clobbers import conda_paths, lost_paths
from pixi_container.environment.downloads import Downloads, rattler_client
from pixi_container.environment.entries import PART_BYTES
from pixi_container.environment.image_config import (
    KEY_ANNOTATION,
    MANIFEST,
    ImageLayer,
    Settings,
    configuration,
    document,
    image_manifest,
    read_base,
)
from pixi_container.environment.layer_keys import LAYOUT_VERSION, KeyedLayer, environment_python, keyed_layers
from pixi_container.environment.layer_tar import LayerBlob, LayerWriter
from pixi_container.environment.linking import link
from pixi_container.environment.package_metadata import read_metadata
from pixi_container.environment.refusals import NotDirectError
from pixi_container.environment.wheels import open_wheel
from pixi_container.errors import RegistryError, UserError
from pixi_container.image.layers import REST
from pixi_container.json_object import object_under
from pixi_container.registry.client import Descriptor
from pixi_container.registry.reference import digest_of
from pixi_container.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from pixi_container.environment.activation import Activation
    from pixi_container.environment.entries import PathEntry
    from pixi_container.environment.image_config import BaseImage
    from pixi_container.environment.layer_tar import Compression
    from pixi_container.environment.locked import LockedEnvironment
    from pixi_container.environment.records import CondaRecord
    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.client import ImageManifest
    from pixi_container.registry.repository import ImageRepository
    from pixi_container.workspace.lock import LockedPackage

T = TypeVar("T")

SHELLS = "shells"
"""The lowest layer of ours: the shells' start-up files."""

_UPLOADS = 6
_STOP_SECONDS = 5.0
"""How long threads have to notice that they are to stop, before the files that they use are removed."""

_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


class ImageStore(Protocol):
    """Where an image goes: a repository, or a folder. Any thread may call it."""

    def has(self, digest: str) -> bool:
        """Tell whether it has a blob."""

    def put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        """Take a blob in, unless it is there; whether it had to."""

    def take(self, blob: Descriptor, source: ImageRepository, through: Callable[[Parts], Parts]) -> None:
        """Take a blob over from a repository."""

    def get(self, blob: Descriptor) -> bytes:
        """Return a small blob."""

    def get_manifest(self, name: str) -> ImageManifest | None:
        """Return what a tag or a digest names."""

    def put_manifest(self, name: str, content: bytes, media_type: str) -> str:
        """Put a manifest under a tag, and return its digest."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentImage:
    """All that the image of an environment is made of.

    ``base`` is the tag or digest in the repository of base images, ``platform`` is ``os/arch``. ``prefix_files``
    are pixi's own below the prefix, ``workspace_files`` those below ``.pixi``. ``layers`` is how many there may be
    of packages. ``before`` is the tag of the image whose layers are used again, empty for none; beside it is the
    catalogue of the paths. ``tags`` come last, in this order. ``mirrors`` are the workspace's own, ``auth_file``
    has credentials for channels in rattler's format, and packages with a path in the lock lie below ``context``.
    """

    environment: LockedEnvironment
    activation: Activation
    prefix_files: tuple[PathEntry, ...]
    workspace_files: tuple[PathEntry, ...]
    base: str
    platform: str
    settings: Settings
    tags: tuple[str, ...]
    before: str = ""
    layers: int
    compression: Compression = "gzip"
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    auth_file: Path | None = None
    context: Path = Path()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far it is: packages that are in a layer, and bytes that were downloaded and uploaded."""

    doing: str = ""
    packages: int = 0
    of: int = 0
    downloaded: int = 0
    uploaded: int = 0


@dataclass(frozen=True, kw_only=True)
class Published:
    """The image, and what it took; ``not_run`` are packages with post-link scripts, which nothing runs."""

    digest: str
    layers: int
    made: tuple[str, ...]
    not_run: tuple[str, ...]
    progress: Progress


def catalogue_tag(tag: str) -> str:
    """Return the tag of the catalogue that lies beside the image with a tag."""
    return f"{tag}-paths"


def publish(
    image: EnvironmentImage,
    target: ImageStore,
    base: ImageRepository,
    *,
    env: Mapping[str, str],
    before: ImageRepository | None = None,
    show: Callable[[Progress], None] = lambda _: None,
    workers: int = 0,
) -> Published:
    """Make the image and give it its tags; ``workers`` threads make layers, one for each core if there are none.

    ``before`` is where the image before lies and its layers are taken from, where that is not ``target`` itself.
    Raises ``NotDirectError`` where only pixi can make this environment, and what downloads and registries raise.
    Whatever is raised, no tag has changed, and no file is left.
    """
    with temporary_folder(env) as folder:
        publication = _Publication(image, target, base, before, folder, show)
        try:
            with publication.threads(workers or os.cpu_count() or 1):
                return publication.publish()
        except OSError as error:
            raise UserError(
                f"the layers of the environment cannot be written: {error.strerror or error}",
                file=error.filename or str(folder),
                hint="They need room of about the largest packages' size for each core, in RUNNER_TEMP or TMPDIR.",
            ) from error


@dataclass(frozen=True)
class _Made:
    """A layer that was made of packages, in a file of its own folder."""

    keyed: KeyedLayer
    layer: LayerBlob
    file: Path
    packages: Mapping[str, PackageFiles]


class _StoppedError(Exception):
    """What threads end with when another one has failed."""


class _Publication:
    """One image on its way. The main thread decides; others make layers, and upload."""

    def __init__(
        self,
        image: EnvironmentImage,
        target: ImageStore,
        base: ImageRepository,
        before: ImageRepository | None,
        folder: Path,
        show: Callable[[Progress], None],
    ) -> None:
        self._image = image
        self._environment = image.environment
        self._target = target
        self._base = base
        self._before = before
        self._taken: set[str] = set()
        self._folder = folder
        self._show = show
        self._python = environment_python(image.environment.records.values())
        self._packages = {_name(package): package for package in image.environment.packages}
        self._identities = {
            name: identity(package, self._record(name), image.activation.prefix, self._python)
            for name, package in self._packages.items()
        }
        self._known: dict[str, LayerBlob] = {}
        self._files: dict[str, PackageFiles] = {}
        self._made: list[str] = []
        self._progress = Progress(of=len(self._packages))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._downloads = Downloads(
            rattler_client(image.mirrors, image.auth_file),
            image.context,
            self._check,
            lambda size: self._count(downloaded=size),
        )

    @contextmanager
    def threads(self, makers: int) -> Iterator[None]:
        """Have threads for the block; after an error they stop, and what they were doing is given up."""
        self._makers = ThreadPoolExecutor(makers, "layer")
        self._uploads = ThreadPoolExecutor(_UPLOADS, "upload")
        # So many layers may be on disk at once.
        self._room = threading.Semaphore(makers + _UPLOADS)
        self._running: set[Future[object]] = set()
        try:
            yield
        except BaseException:
            self._stop.set()
            raise
        finally:
            for pool in (self._makers, self._uploads):
                pool.shutdown(wait=False, cancel_futures=True)
            wait([future for future in self._running if not future.cancelled()], _STOP_SECONDS)

    def publish(self) -> Published:
        """Make the layers that are missing, and put everything in its place."""
        image, target = self._image, self._target
        self._tell("looking at what is there")
        base = self._read_base()
        self._read_before()
        shells = KeyedLayer(SHELLS, self._shells_key(base), ())
        pending: list[Future[object]] = [
            self._submit(self._uploads, self._take_base, descriptor) for descriptor in base.layers
        ]
        if shells.key not in self._known:
            pending.append(self._submit(self._makers, self._make_shells, shells, base))
        lost = self._lost()
        keyed = self._keyed(lost)
        while True:
            missing = [layer for layer in keyed if layer.key not in self._known]
            # The largest first, so that none of them is alone at the end.
            missing.sort(key=lambda layer: -sum(self._packages[name].size or 0 for name in layer.packages))
            to_do = {name for layer in missing for name in layer.packages}
            self._progress = replace(self._progress, packages=len(self._packages) - len(to_do))
            pending += [self._submit(self._makers, self._make, layer, lost) for layer in missing]
            pending += self._take_known([shells, *keyed])
            self._finish(pending)
            pending = []
            # Again for layers with a path that another package turned out to have as well.
            lost = self._lost()
            keyed = self._keyed(lost)
            if all(layer.key in self._known for layer in keyed):
                break
        rest = self._make_rest()
        self._learn(rest)
        self._upload(rest)
        layers = [
            ImageLayer(layer.name, layer.key, self._known[layer.key]) for layer in (shells, *keyed, rest.keyed)
        ]
        self._tell("writing the manifest")
        config = configuration(base, layers, image.settings)
        manifest = image_manifest(base, layers, config, image.annotations)
        self._put_bytes(config.content)
        if image.before:
            self._put_catalogue()
        for tag in image.tags:
            self._check()
            target.put_manifest(tag, manifest.content, manifest.media_type)
        return Published(
            digest=manifest.digest,
            layers=len(layers),
            made=tuple(self._made),
            not_run=self._with_post_link_scripts(),
            progress=self._progress,
        )

    # What is there already

    def _read_base(self) -> BaseImage:
        """Return the base for the platform; an index with one image gives that one."""
        manifest = self._base.get_manifest(self._image.base)
        if manifest and manifest.is_index:
            child = manifest.child(self._image.platform)
            manifest = self._base.get_manifest(child.digest) if child else None
        if manifest is None or manifest.config is None:
            name = f"{self._base.reference.name}{'@' if ':' in self._image.base else ':'}{self._image.base}"
            raise RegistryError(f"there is no image {name} for {self._image.platform}")
        return read_base(self._base.get(manifest.config), manifest.content)

    def _read_before(self) -> None:
        """Learn what the image before has: its layers of ours, and the paths of its packages."""
        store = self._before or self._target
        before = store.get_manifest(self._image.before) if self._image.before else None
        if before is None or before.config is None:
            return
        catalogue = store.get_manifest(catalogue_tag(self._image.before))
        try:
            config = json.loads(store.get(before.config))
            diff_ids = object_under(config, "rootfs").get("diff_ids", ())
            files = read_catalogue(store.get(catalogue.layers[0])) if catalogue else {}
        except (ValueError, IndexError, AttributeError):
            # Somebody else's; everything is made anew.
            return
        for layer, diff_id in zip(before.layers, diff_ids, strict=False):
            key = layer.annotations.get(KEY_ANNOTATION)
            if key and layer.media_type.endswith(f"+{self._image.compression}"):
                self._known[key] = LayerBlob(layer.media_type, layer.digest, layer.size, str(diff_id))
        self._files = {name: each for name, each in files.items() if each.identity == self._identities.get(name)}

    # What is decided

    def _lost(self) -> dict[str, frozenset[str]]:
        """Return what packages lose to others, as far as their paths are known."""
        order = [*(f"conda:{name}" for name in self._environment.records), *sorted(self._packages)]
        names = [name for name in dict.fromkeys(order) if name in self._files]
        return lost_paths(self._files[name].table for name in names)

    def _keyed(self, lost: Mapping[str, AbstractSet[str]]) -> tuple[KeyedLayer, ...]:
        """Return the layers of packages; one of which too little is known has another key, so that it is made."""
        records, prefix = self._environment.records, self._image.activation.prefix
        packages = self._environment.packages
        layers = keyed_layers(packages, records, prefix, self._image.layers, lost)
        left = self._packages.keys() - {name for layer in layers for name in layer.packages}
        if left:
            layers = (*layers, self._layer_of_the_others(sorted(left), lost))
        for layer in layers:
            if any(name not in self._files for name in layer.packages):
                self._known.pop(layer.key, None)
        return layers

    def _layer_of_the_others(self, names: list[str], lost: Mapping[str, AbstractSet[str]]) -> KeyedLayer:
        """Return the layer of what has no layer by its name, or of everything where there is to be one alone."""
        basis = [
            LAYOUT_VERSION,
            [[self._identities[name], sorted(lost.get(name, ()))] for name in names],
            [
                dict(record.fields)
                for record in self._environment.records.values()
                if f"conda:{record.name}" in names
            ],
        ]
        return KeyedLayer("others", _hashed(basis), tuple(names))

    def _shells_key(self, base: BaseImage) -> str:
        activation = self._image.activation
        return _hashed([SHELLS, LAYOUT_VERSION, base.diff_ids, activation.prefix, activation.workdir])

    def _with_post_link_scripts(self) -> tuple[str, ...]:
        return tuple(
            name
            for name in self._environment.records
            if f"bin/.{name}-post-link.sh" in self._files[f"conda:{name}"].table.files
        )

    # What threads do

    def _make(self, keyed: KeyedLayer, lost: Mapping[str, AbstractSet[str]]) -> _Made:
        """Make a layer of packages."""
        packages: dict[str, PackageFiles] = {}

        def write(writer: LayerWriter, folder: Path) -> None:
            written: set[str] = set()
            for name in keyed.packages:
                self._tell(f"package {name.partition(':')[2]}")
                archive = self._downloads.download(self._packages[name], folder)
                if name.startswith("conda:"):
                    packages[name] = self._link(name, archive, writer, lost.get(name, frozenset()))
                else:
                    packages[name] = self._install_wheel(name, archive, writer, written)
                archive.unlink()
                self._count(packages=1)

        layer, file = self._written(write)
        return _Made(keyed, layer, file, packages)

    def _written(self, write: Callable[[LayerWriter, Path], None]) -> tuple[LayerBlob, Path]:
        """Return a layer in a file of its own, once there is room for it."""
        while not self._room.acquire(timeout=0.2):
            self._check()
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        file = folder / "layer"
        with file.open("wb") as out:
            writer = LayerWriter(out, self._image.compression)
            write(writer, folder)
            return writer.finish(), file

    def _link(self, name: str, path: Path, writer: LayerWriter, lost: AbstractSet[str]) -> PackageFiles:
        record, prefix = self._environment.records[name.partition(":")[2]], self._image.activation.prefix
        kept: dict[str, bytes] = {}
        with open_archive(path) as archive:
            metadata = read_metadata(archive.name, archive.metadata, archive.about_time, self._python)
            entries = link(archive, record, prefix, self._python, lost)
            writer.add(self._passed(entries, kept), prefix)
        return PackageFiles(self._identities[name], conda_paths(record.name, metadata), kept)

    def _install_wheel(self, name: str, path: Path, writer: LayerWriter, written: set[str]) -> PackageFiles:
        package = self._packages[name]
        if self._python is None:
            raise NotDirectError(package.name, "is for Python, and the environment has none")
        url = package.location.removeprefix("direct+") if package.location.startswith("direct+") else ""

        def new(entries: Iterable[PathEntry]) -> Iterator[PathEntry]:
            for entry in entries:
                # Parts of a namespace may have the same file.
                if entry.kind != "directory" and entry.path in written:
                    for _ in entry.content:
                        pass
                else:
                    written.add(entry.path)
                    yield entry

        with open_wheel(path, self._python) as wheel:
            table = wheel.paths(name.partition(":")[2])
            prefix = self._image.activation.prefix
            writer.add(self._passed(new(wheel.entries(prefix, url)), {}), prefix)
        return PackageFiles(self._identities[name], table)

    def _passed(self, entries: Iterable[PathEntry], kept: dict[str, bytes]) -> Iterator[PathEntry]:
        """Pass entries on, and keep what the activation is made of."""
        for entry in entries:
            self._check()
            path = entry.path
            if path.startswith((SCRIPTS, VARIABLES)) and entry.kind != "directory":
                content = b"".join(entry.content)
                kept[path] = content if path.startswith(VARIABLES) else b""
                yield replace(entry, content=(content,))
            else:
                yield entry

    def _make_shells(self, keyed: KeyedLayer, base: BaseImage) -> _Made:
        own = own_bashrc(
            base.layers,
            lambda layer, read: self._base.scan(_blob(layer), lambda parts: read(self._checked(parts))),
        )
        layer, file = self._written(lambda writer, _: writer.add(shell_entries(own, self._image.activation)))
        return _Made(keyed, layer, file, {})

    def _make_rest(self) -> _Made:
        """Make the last layer: what pixi notes of the environment, and what activates it."""
        image, activation = self._image, self._image.activation
        files: dict[str, bytes] = {}
        for name in self._environment.records:
            # Of those with the same path, the last one has it.
            files |= self._files[f"conda:{name}"].activation
        in_meta = [
            *(record.path for record in self._environment.records.values()),
            *(entry.path for entry in image.prefix_files),
        ]
        names = [Path(path).name for path in in_meta if path.startswith("conda-meta/")]

        def write(writer: LayerWriter, _: Path) -> None:
            writer.add(image.workspace_files, f"{activation.workdir}/.pixi")
            writer.add(image.prefix_files, activation.prefix)
            shown = [name for name in names if not name.startswith(".")]
            writer.add(activation_entries(activation, hook_text(activation, files), shown), activation.workdir)

        layer, file = self._written(write)
        return _Made(KeyedLayer(REST, layer.diff_id, ()), layer, file, {})

    def _upload(self, made: _Made) -> None:
        """Bring a layer to its place, and remove its file."""

        def content() -> Parts:
            with made.file.open("rb") as file:
                while part := file.read(PART_BYTES):
                    self._count(uploaded=len(part))
                    yield part

        self._target.put(made.layer.digest, made.layer.size, lambda: self._checked(content()))
        shutil.rmtree(made.file.parent)
        self._room.release()

    def _take_base(self, descriptor: Mapping[str, object]) -> None:
        blob = _blob(descriptor)
        if not blob.is_nondistributable:
            self._target.take(blob, self._base, self._checked)

    def _take_known(self, keyed: Iterable[KeyedLayer]) -> list[Future[object]]:
        """Have the layers brought over that the image before has somewhere else."""
        if self._before is None:
            return []
        layers = [self._known[each.key] for each in keyed if each.key in self._known]
        new = [layer for layer in layers if layer.digest not in self._taken]
        self._taken |= {layer.digest for layer in new}
        return [
            self._submit(
                self._uploads,
                self._target.take,
                Descriptor(digest=layer.digest, size=layer.size, media_type=layer.media_type),
                self._before,
                self._checked,
            )
            for layer in new
        ]

    def _checked(self, parts: Iterator[bytes]) -> Parts:
        for part in parts:
            self._check()
            yield part

    # What the main thread does with it

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[..., object], *arguments: object) -> Future[object]:
        future: Future[object] = pool.submit(work, *arguments)
        self._running.add(future)
        return future

    def _finish(self, futures: Iterable[Future[object]]) -> None:
        """Wait for work, and for the uploads that follow from it. Raises the first error."""
        pending = set(futures)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            self._running -= done
            for future in done:
                result = future.result()
                if isinstance(result, _Made):
                    self._learn(result)
                    pending.add(self._submit(self._uploads, self._upload, result))

    def _learn(self, made: _Made) -> None:
        self._known[made.keyed.key] = made.layer
        self._files |= made.packages
        self._made.append(made.keyed.name)

    def _put_catalogue(self) -> None:
        content = catalogue_bytes({name: self._files[name] for name in self._packages})
        table = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": MEDIA_TYPE,
            "config": {"mediaType": _EMPTY_TYPE, "digest": digest_of(_EMPTY), "size": len(_EMPTY)},
            "layers": [{"mediaType": MEDIA_TYPE, "digest": digest_of(content), "size": len(content)}],
        }
        manifest = document(MANIFEST, table)
        self._put_bytes(_EMPTY)
        self._put_bytes(content)
        self._target.put_manifest(catalogue_tag(self._image.before), manifest.content, manifest.media_type)

    def _put_bytes(self, content: bytes) -> None:
        self._target.put(digest_of(content), len(content), lambda: (part for part in (content,)))

    def _record(self, name: str) -> CondaRecord | None:
        kind, _, package = name.partition(":")
        return self._environment.records[package] if kind == "conda" else None

    def _check(self) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _tell(self, doing: str) -> None:
        with self._lock:
            self._progress = replace(self._progress, doing=doing)
            self._show(self._progress)

    def _count(self, packages: int = 0, downloaded: int = 0, uploaded: int = 0) -> None:
        with self._lock:
            now = self._progress
            self._progress = replace(
                now,
                packages=now.packages + packages,
                downloaded=now.downloaded + downloaded,
                uploaded=now.uploaded + uploaded,
            )
            self._show(self._progress)


def _name(package: LockedPackage) -> str:
    from packaging.utils import canonicalize_name

    return f"{package.kind}:{canonicalize_name(package.name) if package.kind == 'pypi' else package.name}"


def _blob(descriptor: Mapping[str, object]) -> Descriptor:
    urls = descriptor.get("urls") or ()
    return Descriptor(
        digest=str(descriptor["digest"]),
        size=int(str(descriptor["size"])),
        media_type=str(descriptor.get("mediaType", "")),
        urls=tuple(urls) if isinstance(urls, list) else (),
    )


def _hashed(basis: object) -> str:
    return hashlib.sha256(json.dumps(basis, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

"""The registry client: look up images, check permission to push, and tag or copy existing images.

Sources: https://github.com/opencontainers/distribution-spec/blob/main/spec.md, and for the content of manifests
https://github.com/opencontainers/image-spec/blob/main/spec.md
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from pixi_container.display import one_line
from pixi_container.errors import RegistryError, RegistryUnavailableError
from pixi_container.json_object import object_under
from pixi_container.registry.blobs import Blobs, verified_digest
from pixi_container.registry.call import Answer, RegistryCall
from pixi_container.registry.reference import DIGEST, TAG, digest_of
from pixi_container.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from pixi_container.registry.credentials import Credential
    from pixi_container.registry.reference import ImageReference

T = TypeVar("T")

_JSON_NAMES: dict[type, str] = {str: "a string", list: "an array", dict: "an object"}
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_INDEXES = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = (
    *_INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"accept": ", ".join(_MANIFESTS)}
_NEXT_PAGE = re.compile(r'<([^<>]*)>[^<]*;\s*rel="?next\b', re.IGNORECASE)

_MOST_PAGES = 100
_MOST_LISTED = 100_000
_MOST_LIST_BYTES = 32 * 1024 * 1024
_MOST_LIST_SECONDS = 300.0
_MOST_ENTRIES = 1000
"""Maximum number of descriptors in one manifest. Docker accepts 125 layers (``maxLayerDepth``):
https://github.com/moby/moby/blob/v27.0.0/layer/layer_store.go
"""

_MOST_COPIED = 5000
"""Maximum number of manifests and blobs copied to another repository for one tag."""

_DEEPEST_INDEX = 8
_LARGEST_BLOB = 2**40
_SOMEBODY_ELSE = "Did another run push the same tag at the same time? A `concurrency` group prevents that."


@dataclass(frozen=True)
class PublishedImage:
    """An image on a registry; ``layer_sizes`` are compressed bytes, base layer first.

    ``config`` is the digest of the image's configuration, which identifies the uncompressed content: every copy of
    the image has the same one. ``digest`` differs between copies that were compressed differently.
    """

    digest: str
    config: str
    layer_sizes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """A manifest's reference to a manifest or blob: ``size`` in bytes, ``platform`` as ``os/arch[/variant]``.

    Source: https://github.com/opencontainers/image-spec/blob/main/descriptor.md
    """

    digest: str
    size: int
    media_type: str
    platform: str = ""
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @property
    def is_manifest(self) -> bool:
        """Whether it refers to an image or an index; anything else is a blob."""
        return self.media_type in _MANIFESTS

    @property
    def is_attestation(self) -> bool:
        """Whether BuildKit added it to describe how an image was built.

        Source: https://docs.docker.com/build/metadata/attestations/attestation-storage/
        """
        return "vnd.docker.reference.type" in self.annotations or self.platform.startswith("unknown/")

    @property
    def is_nondistributable(self) -> bool:
        """Whether it is a layer that registries do not store because its license forbids it."""
        return bool(self.urls) and bool(re.search(r"\.foreign\.|\.nondistributable\.", self.media_type))


@dataclass(frozen=True, kw_only=True)
class ImageManifest:
    """The manifest of an image, or of an index of images: ``digest`` is the digest of the exact ``content``.

    ``name`` is registry and repository. An image has ``config`` and ``layers``, base layer first; an index, or
    Docker's manifest list, has ``children``.
    """

    name: str
    digest: str
    media_type: str
    content: bytes = field(repr=False)
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()

    @property
    def is_index(self) -> bool:
        """Whether it lists images, one per platform."""
        return self.media_type in _INDEXES

    def has(self, platform: str) -> bool:
        """Tell whether the index has an image for ``os/arch[/variant]``."""
        return any(f"{child.platform}/".startswith(f"{platform}/") for child in self.children)

    def child(self, platform: str) -> Descriptor | None:
        """Return the index's image for ``os/arch[/variant]``, or its only image whatever the platform."""
        images = [child for child in self.children if child.is_manifest and not child.is_attestation]
        fitting = [child for child in images if f"{child.platform}/".startswith(f"{platform}/")]
        return fitting[0] if fitting else images[0] if len(images) == 1 else None


class Registry:
    """Registry calls with the given credentials; a call to a busy registry is retried a few times.

    Every method raises ``RegistryRefusedError`` if the user lacks the permission, ``RegistryUnavailableError`` if
    the registry gives no usable answer, and ``RegistryError`` if content does not match its digest.
    """

    def __init__(self, credential_for: Callable[[str], Credential | None]) -> None:
        self._transport = Transport(credential_for)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def give_up(self) -> None:
        """Have the call fail that a thread is making, and every later one. Any other thread may call this."""
        self._transport.give_up()

    def get_digest(self, reference: ImageReference, *, push: bool = False) -> str | None:
        """Return the digest that the reference points to, or None if the image does not exist.

        ``push`` asks with permission to push, for comparing the digest with what was pushed.
        """
        answer = self._ask_for_manifest("HEAD", reference, push=push)
        if answer.status == 404:
            return None
        reported = answer.headers.get("docker-content-digest", "")
        if DIGEST.fullmatch(reported) and reference.digest in {"", reported}:
            return reported
        manifest = self.get_manifest(reference)
        return manifest.digest if manifest else None

    def get_tags(self, reference: ImageReference) -> tuple[str, ...]:
        """Return every tag of the repository; empty if the repository does not exist."""
        listed: list[str] = []
        for page in self._get_pages(RegistryCall("GET", reference, "tags/list?n=1000", expected=(404,))):
            if page.status == 404:
                continue
            tags = page.json().get("tags")
            if not isinstance(tags, list | None):
                raise RegistryUnavailableError(
                    f"the registry {reference.registry} returned no valid list of the tags of {reference.name}"
                )
            listed += [tag for tag in tags or () if isinstance(tag, str) and TAG.fullmatch(tag)]
            if len(listed) > _MOST_LISTED:
                raise _endless_list(reference)
        return tuple(listed)

    def get_image(self, reference: ImageReference) -> PublishedImage | None:
        """Return the image, or None if it does not exist."""
        manifest = self.get_manifest(reference)
        if manifest is None:
            return None
        return PublishedImage(
            digest=manifest.digest,
            config=manifest.config.digest if manifest.config else "",
            layer_sizes=tuple(layer.size for layer in manifest.layers),
        )

    def get_manifest(self, reference: ImageReference) -> ImageManifest | None:
        """Return the manifest of the reference's digest, or else of its tag; None if it does not exist."""
        answer = self._ask_for_manifest("GET", reference)
        if answer.status == 404:
            return None
        reported = answer.headers.get("docker-content-digest", "")
        expected = reference.digest or (reported if DIGEST.fullmatch(reported) else "")
        return _parse_manifest(answer, verified_digest(answer.content, expected, reference), reference)

    def get_labels(self, reference: ImageReference, platform: str = "linux/amd64") -> dict[str, str] | None:
        """Return the labels of the image for ``platform``, or None if there is no such image.

        If an index has only one image, return the labels of that image, whatever its platform.
        """
        manifest = self.get_manifest(reference)
        if manifest and manifest.is_index:
            child = manifest.child(platform)
            manifest = self.get_manifest(reference.pinned(child.digest)) if child else None
        if not manifest or not manifest.config:
            return None
        digest = manifest.config.digest
        answer = self._transport.ask(RegistryCall("GET", reference, f"blobs/{digest}"))
        verified_digest(answer.content, digest, reference)
        labels = object_under(answer.json(), "config", "Labels")
        return {_encodable(name): _encodable(value) for name, value in labels.items() if isinstance(value, str)}

    def get_referrers(self, reference: ImageReference) -> tuple[Descriptor, ...]:
        """Return what refers to this image: signatures, attestations. An empty result is not an error.

        Source, including the fallback tag for registries without this API:
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
        """
        digest = reference.digest or self.get_digest(reference)
        if digest is None:
            return ()
        call = RegistryCall(
            "GET",
            reference,
            f"referrers/{digest}",
            headers={"accept": OCI_INDEX},
            # ghcr.io does not have this API and redirects to its web site.
            redirects=False,
            expected=range(300, 500),
        )
        referrers: list[Descriptor] = []
        for page in self._get_pages(call):
            if page.status != 200 or _media_type(page) != OCI_INDEX:
                break
            referrers += _parse_descriptors(page.json().get("manifests"), reference)
            if len(referrers) > _MOST_LISTED:
                raise _endless_list(reference)
        else:
            return tuple(referrers)
        listed = self.get_manifest(reference.tagged(digest.replace(":", "-")))
        return listed.children if listed else ()

    def blobs(self, repository: ImageReference) -> Blobs:
        """Return the blobs of a repository, to be used by the thread that uses this object."""
        return Blobs(self._transport, repository)

    def put_manifest(self, repository: ImageReference, name: str, content: bytes, media_type: str) -> str:
        """Upload a manifest under a tag or its digest, and return its digest."""
        self._transport.ask(
            RegistryCall(
                "PUT",
                repository,
                f"manifests/{name}",
                push=True,
                headers={"content-type": media_type},
                content=content,
            )
        )
        return digest_of(content)

    def check_push(self, reference: ImageReference) -> None:
        """Check that the registry accepts pushes to this name: open an upload and cancel it.

        Raises ``RegistryRefusedError`` with the likely cause if it does not.
        """
        blobs = self.blobs(reference)
        blobs.cancel(blobs.open_upload())

    def tag(self, source: ImageReference, targets: Sequence[ImageReference]) -> str:
        """Point each target's tag to exactly the image ``source``, and return its digest.

        A target may be in another repository or registry: everything that the image refers to is copied there
        first. A tag that already points to the image is left alone. Raises ``RegistryError`` if the image does not
        exist, or if a tag points elsewhere afterwards.
        """
        manifest = self.get_manifest(source)
        if manifest is None:
            raise RegistryError(f"the image {source} does not exist")
        complete = {source.name}
        for target in targets:
            if self.get_digest(target.tagged(target.tag), push=True) != manifest.digest:
                if target.name not in complete and not self._image_exists(
                    target, manifest.digest, index=manifest.is_index
                ):
                    self._copy_content(manifest, source, target, set())
                self.put_manifest(target, target.tag, manifest.content, manifest.media_type)
                now = self.get_digest(target.tagged(target.tag), push=True)
                if now != manifest.digest:
                    raise RegistryError(
                        f"{target} points to {now or 'nothing'} after this run set it to {manifest.digest}",
                        hint=_SOMEBODY_ELSE,
                    )
            complete.add(target.name)
        return manifest.digest

    def _ask_for_manifest(self, method: str, reference: ImageReference, *, push: bool = False) -> Answer:
        path = f"manifests/{reference.digest or reference.tag}"
        return self._transport.ask(
            RegistryCall(method, reference, path, push=push, headers=_ACCEPT, expected=(404,))
        )

    def _get_pages(self, call: RegistryCall) -> Iterator[Answer]:
        """Yield every page of a list. Only the query of a link to the next page counts: it cannot lead elsewhere.

        Raises ``RegistryUnavailableError`` if the list exceeds the limits.
        """
        path, asked, read = call.path, set[str](), 0
        end = time.monotonic() + _MOST_LIST_SECONDS
        while path:
            too_many = len(asked) >= _MOST_PAGES or read > _MOST_LIST_BYTES or time.monotonic() > end
            if path in asked or too_many:
                raise _endless_list(call.reference)
            asked.add(path)
            answer = self._transport.ask(replace(call, path=path))
            read += len(answer.content)
            yield answer
            following = _NEXT_PAGE.search(answer.headers.get("link", ""))
            query = following[1].partition("#")[0].partition("?")[2] if following else ""
            path = f"{call.path.partition('?')[0]}?{query}" if following else ""

    def _image_exists(self, repository: ImageReference, digest: str, *, index: bool) -> bool:
        """Tell whether a repository has an image, and so its layers. An index may exist without its images."""
        return not index and self.get_digest(repository.pinned(digest), push=True) is not None

    def _copy_content(
        self,
        manifest: ImageManifest,
        source: ImageReference,
        target: ImageReference,
        copied: set[str],
        depth: int = 0,
    ) -> None:
        """Copy everything that a manifest of the source refers to into the target's repository.

        ``copied`` holds the digests already copied, and gets those copied here. Raises ``RegistryError`` if an
        index is nested too deeply, incomplete or too large.
        """
        if depth > _DEEPEST_INDEX:
            raise RegistryError(f"{source} nests image indexes more than {_DEEPEST_INDEX} levels deep")
        blobs = [blob for blob in (manifest.config, *manifest.layers) if blob]
        for child in manifest.children:
            if not child.is_manifest:
                blobs.append(child)
            elif child.digest not in copied:
                self._mark_copied(child, copied, source)
                if self._image_exists(target, child.digest, index=child.media_type in _INDEXES):
                    continue
                child_manifest = self.get_manifest(source.pinned(child.digest))
                if child_manifest is None:
                    raise RegistryError(f"{source} is incomplete: it lists {child.digest}, which does not exist")
                self._copy_content(child_manifest, source, target, copied, depth + 1)
                self.put_manifest(target, child.digest, child_manifest.content, child_manifest.media_type)
        for blob in blobs:
            if blob.is_nondistributable or blob.digest in copied:
                continue
            self._mark_copied(blob, copied, source)
            self.blobs(target).copy(blob.digest, blob.size, source)

    @staticmethod
    def _mark_copied(part: Descriptor, copied: set[str], source: ImageReference) -> None:
        copied.add(part.digest)
        if len(copied) > _MOST_COPIED:
            raise RegistryError(f"{source} refers to more than {_MOST_COPIED} manifests and blobs")


def _endless_list(reference: ImageReference) -> RegistryUnavailableError:
    return RegistryUnavailableError(
        f"the registry {reference.registry} returned a list for {reference.name} that is too long or never ends",
        hint=f"The limits are {_MOST_PAGES} pages, {_MOST_LISTED} entries and {_MOST_LIST_SECONDS:.0f} seconds.",
    )


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_manifest(content: bytes, media_type: str, digest: str, reference: ImageReference) -> ImageManifest:
    """Parse a manifest; ``media_type`` is what counts where it does not say itself what it is.

    Raises ``RegistryError`` for one that is not understood.
    """
    return _parse_manifest(Answer(200, str(reference), {"content-type": media_type}, content), digest, reference)


def _parse_manifest(answer: Answer, digest: str, reference: ImageReference) -> ImageManifest:
    document = answer.json()
    media_type = document.get("mediaType") or _media_type(answer)
    if media_type not in _MANIFESTS:
        shown = one_line(media_type) if isinstance(media_type, str) else "not a string"
        raise RegistryError(f"{reference} has an unsupported media type: {shown}")
    made = ImageManifest(name=reference.name, digest=digest, media_type=media_type, content=answer.content)
    if made.is_index:
        return replace(made, children=_parse_descriptors(document.get("manifests"), reference))
    (config,) = _parse_descriptors([document.get("config")], reference)
    return replace(made, config=config, layers=_parse_descriptors(document.get("layers"), reference))


def _parse_descriptors(listed: object, reference: ImageReference) -> tuple[Descriptor, ...]:
    """Parse descriptors. Raises ``RegistryError`` if one is invalid or there are too many."""
    try:
        entries = tuple(_parse_descriptor(entry) for entry in islice(_typed(list, listed), _MOST_ENTRIES + 1))
    except (TypeError, ValueError) as error:
        raise RegistryError(f"the manifest of {reference} is not valid: {one_line(str(error))}") from error
    if len(entries) > _MOST_ENTRIES:
        raise RegistryError(f"the manifest of {reference} has more than {_MOST_ENTRIES} entries")
    return entries


def _parse_descriptor(entry: object) -> Descriptor:
    """Parse a descriptor as strictly as Go does for Docker. Raises ``TypeError`` and ``ValueError``."""
    if not isinstance(entry, dict):
        raise TypeError("an entry is not an object")
    digest, size = _typed(str, entry.get("digest")), entry.get("size")
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"'{digest[:80]}' is not a digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_BLOB:
        raise ValueError(f"the size of {digest} is missing or not valid")
    platform = _typed(dict, entry.get("platform"))
    parts = [_typed(str, platform.get(name)) for name in ("os", "architecture", "variant")]
    annotations = _typed(dict, entry.get("annotations"))
    return Descriptor(
        digest=digest,
        size=size,
        media_type=_encodable(_typed(str, entry.get("mediaType"))),
        platform=_encodable("/".join(part for part in parts if part)),
        artifact_type=_encodable(_typed(str, entry.get("artifactType"))),
        annotations={_encodable(name): _encodable(_typed(str, value)) for name, value in annotations.items()},
        urls=tuple(_encodable(_typed(str, url)) for url in _typed(list, entry.get("urls"))),
    )


def _typed(kind: type[T], value: object) -> T:
    """Return the value, or an empty one for a missing value or ``null``. Raises ``TypeError`` for other types."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise TypeError(f"a value is not {_JSON_NAMES[kind]}")
    return value


def _encodable(text: str) -> str:
    """Return the text with lone surrogates replaced: JSON can contain them, but no output can encode them."""
    return text.encode("utf-8", "replace").decode()

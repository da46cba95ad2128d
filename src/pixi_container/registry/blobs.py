"""Blobs of a repository: whether it has one, and how one gets in and out, with the bytes that its digest is of.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
"""

from __future__ import annotations

import hashlib
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import quote

from pixi_container.errors import RegistryError, RegistryRefusedError, RegistryUnavailableError
from pixi_container.registry.call import Answer, RegistryCall, TransientError, joined_url
from pixi_container.registry.reference import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from pixi_container.registry.reference import ImageReference
    from pixi_container.registry.transport import Transport

T = TypeVar("T")
Parts: TypeAlias = "Generator[bytes, None, None]"


class Blobs:
    """The blobs of one repository, by way of a transport, and so for one thread.

    Every method raises what ``Registry`` raises.
    """

    def __init__(self, transport: Transport, repository: ImageReference) -> None:
        self._transport = transport
        self._repository = repository

    def has(self, digest: str) -> bool:
        """Tell whether the repository has a blob; asks with the right to push."""
        return self._transport.ask_again(lambda: self._has(digest))

    def put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        """Upload a blob unless it is there; whether it had to be.

        ``content`` gives its ``size`` bytes in parts, from the start each time that it is called, as after a
        connection that broke.
        """
        return self._transport.ask_again(lambda: self._put(digest, size, content))

    def mount(self, digest: str, source: ImageReference) -> bool:
        """Ask the registry to mount a blob from another of its repositories; return whether it did."""
        call = RegistryCall(
            "POST",
            self._repository,
            f"blobs/uploads/?mount={digest}&from={quote(source.repository, safe='')}",
            push=True,
            mount_from=source.repository,
            # Some registries lack mounting, others refuse it to users who may push: a copy shows the real problem.
            expected=range(400, 500),
        )
        try:
            answer = self._transport.ask(call)
        except RegistryRefusedError:
            return False
        if answer.status == 202:
            self.cancel(answer)
        return answer.status == 201

    def copy(
        self,
        digest: str,
        size: int,
        source: ImageReference,
        through: Callable[[Parts], Parts] = lambda parts: parts,
    ) -> None:
        """Have a blob of another repository here: by a mount within one registry, else through this machine.

        What is passed on goes ``through`` a function of the caller's, which may count it or stop.
        """
        if source.registry != self._repository.registry or not self.mount(digest, source):
            self.put(digest, size, lambda: through(Blobs(self._transport, source).read(digest, size)))

    def read(self, digest: str, size: int) -> Parts:
        """Yield a blob in parts, in one attempt.

        Raises ``RegistryError`` at its end when the bytes were not those of the digest, and ``TransientError``.
        """
        call = RegistryCall("GET", self._repository, f"blobs/{digest}", size=size)
        seen, left = hashlib.sha256(), size
        with closing(self._transport.stream(call)) as parts:
            for part in parts:
                seen.update(part)
                left -= len(part)
                if left < 0:
                    break
                yield part
        if left or f"sha256:{seen.hexdigest()}" != digest:
            raise wrong_bytes(digest, self._repository)

    def get(self, digest: str, size: int) -> bytes:
        """Return a blob that is small enough for memory."""
        return self.scan(digest, size, b"".join)

    def scan(self, digest: str, size: int, read: Callable[[Iterator[bytes]], T]) -> T:
        """Return what ``read`` makes of a blob's parts, all of which it has to take, anew after each trouble."""

        def attempt() -> T:
            with closing(self.read(digest, size)) as parts:
                return read(parts)

        return self._transport.ask_again(attempt)

    def open_upload(self) -> Answer:
        """Open an upload. Raises ``RegistryRefusedError`` where the user may not push."""
        return self._transport.ask(RegistryCall("POST", self._repository, "blobs/uploads/", push=True))

    def cancel(self, opened: Answer) -> None:
        """Cancel an upload. If the registry refuses, the upload expires by itself."""
        if location := self._location(opened):
            with suppress(RegistryError, RegistryRefusedError, TransientError):
                self._transport.ask_once(RegistryCall("DELETE", self._repository, location, push=True))

    def _has(self, digest: str) -> bool:
        call = RegistryCall("HEAD", self._repository, f"blobs/{digest}", push=True, expected=(404,))
        return self._transport.ask_once(call).status != 404

    def _put(self, digest: str, size: int, content: Callable[[], Parts]) -> bool:
        if self._has(digest):
            return False
        opened = self._transport.ask_once(RegistryCall("POST", self._repository, "blobs/uploads/", push=True))
        location = self._location(opened)
        if not location:
            raise RegistryUnavailableError(
                f"the registry {self._repository.registry} opened an upload but did not return its location"
            )
        upload = RegistryCall(
            "PUT",
            self._repository,
            f"{location}{'&' if '?' in location else '?'}digest={digest}",
            push=True,
            headers={"content-type": "application/octet-stream"},
            content=content,
            size=size,
            expected=(404,),
        )
        if self._transport.ask_once(upload).status == 404:
            raise TransientError(
                self._repository.registry, location, "it no longer knows an upload that it opened"
            )
        return True

    def _location(self, answer: Answer) -> str:
        location = answer.headers.get("location", "")
        return joined_url(answer.url, location, self._repository.registry) if location else ""


def verified_digest(content: bytes, expected: str, reference: ImageReference) -> str:
    """Return the content's digest. Raises ``RegistryError`` if ``expected`` is given and differs."""
    digest = digest_of(content)
    if expected not in {"", digest}:
        raise wrong_bytes(expected, reference)
    return digest


def wrong_bytes(digest: str, reference: ImageReference) -> RegistryError:
    """Return the error for content that does not have its digest."""
    return RegistryError(
        f"the registry {reference.registry} returned content that does not match {digest} of {reference.name}",
        hint="The content was discarded. Does a proxy in between modify responses?",
    )

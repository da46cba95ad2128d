"""Make the SIF of an image on a registry: its layers are read, merged and written as one file system."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from pixi_container.environment.layer_tar import file_parts
from pixi_container.errors import RegistryError, UserError
from pixi_container.json_object import object_in, object_under, text_under
from pixi_container.sif.layer_entries import LayerEntry, read_entries
from pixi_container.sif.merged_layers import MergedLayers
from pixi_container.sif.sif_format import DEFINITION, JSON, DataObject, sif_head
from pixi_container.sif.squashfs import layer_contents, own_contents, squashfs_program, write_squashfs
from pixi_container.sif.start_files import (
    STARTSCRIPT,
    StartSettings,
    labels_json,
    runscript,
    start_files,
    start_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pixi_container.registry.blobs import Parts
    from pixi_container.registry.client import Descriptor, ImageManifest
    from pixi_container.registry.repository import ImageSource

_NAMESPACE = uuid.UUID("f2b07b7c-7f0e-5d52-9c4d-0f5f6a3b0a51")
_LATEST = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class Sif:
    """A SIF whose file system is in a file, with what comes before it. ``created`` is in seconds since 1970."""

    head: bytes
    file_system: Path
    created: int

    @cached_property
    def size(self) -> int:
        """Its bytes."""
        return len(self.head) + self.file_system.stat().st_size

    @cached_property
    def digest(self) -> str:
        """Its digest."""
        seen = hashlib.sha256()
        for part in self.parts():
            seen.update(part)
        return f"sha256:{seen.hexdigest()}"

    def parts(self) -> Parts:
        """Yield its bytes in parts."""
        yield self.head
        yield from file_parts(self.file_system)


def make_sif(source: ImageSource, manifest: ImageManifest, name: str, work: Path, env: Mapping[str, str]) -> Sif:
    """Return the SIF of an image of one platform; ``name`` is the image with its digest, for the definition in it.

    The layers, as they are compressed, and the file system are files in the empty folder ``work``. Raises
    ``ToolUnavailableError`` without a program for squashfs, ``RegistryError`` for layers that cannot be read, and
    ``UserError`` if there is no room.
    """
    program = squashfs_program(env)
    if manifest.config is None:
        raise RegistryError(f"{name} is an index, not an image of one platform")
    try:
        config = object_in(json.loads(source.get(manifest.config)))
        return _made(source, manifest, config, name, program, work, env)
    except OSError as error:
        raise UserError(
            f"the SIF cannot be written: {error.strerror or error}",
            file=str(work),
            hint="It needs room of about twice the image's compressed size, in RUNNER_TEMP or TMPDIR.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"the configuration of {name} cannot be read: {error}") from error


def _made(
    source: ImageSource,
    manifest: ImageManifest,
    config: Mapping[str, Any],
    name: str,
    program: str,
    work: Path,
    env: Mapping[str, str],
) -> Sif:
    layers = [layer for layer in manifest.layers if not layer.is_nondistributable]
    image = MergedLayers()
    for number, layer in enumerate(layers):
        image.add(_taken(source, layer, work / str(number)))
    settings, definition = start_settings(object_under(config, "config")), f"bootstrap: docker\nfrom: {name}\n"
    own = start_files(settings, definition, image)
    image.add([file.entry for file in own])

    def contents(number: int, entries: Sequence[LayerEntry]) -> Iterator[tuple[int, IO[bytes]]]:
        if number == len(layers):
            yield from own_contents([file.content for file in own], entries)
        elif 0 <= number < len(layers):
            yield from layer_contents(file_parts(work / str(number)), layers[number].media_type, entries)
            (work / str(number)).unlink()

    file_system, created = work / "file-system", _seconds(text_under(config, "created"))
    write_squashfs(program, file_system, image.inodes(), contents, created=created, env=env)
    head = sif_head(
        _objects(config, settings, definition),
        file_system.stat().st_size,
        architecture=text_under(config, "architecture"),
        identity=uuid.uuid5(_NAMESPACE, manifest.digest),
        created=created,
    )
    return Sif(head=head, file_system=file_system, created=created)


def _taken(source: ImageSource, layer: Descriptor, file: Path) -> list[LayerEntry]:
    """Write a layer to a file, and return its entries, which are read on the way."""

    def read(parts: Iterator[bytes]) -> list[LayerEntry]:
        with file.open("wb") as out:
            kept = _kept(parts, out)
            entries = read_entries(kept, layer.media_type)
            # To its end, as only then its digest is known.
            for _ in kept:
                pass
        return entries

    return source.scan(layer, read)


def _kept(parts: Iterator[bytes], out: IO[bytes]) -> Iterator[bytes]:
    for part in parts:
        out.write(part)
        yield part


def _objects(config: Mapping[str, Any], settings: StartSettings, definition: str) -> list[DataObject]:
    """Return what Apptainer puts into a SIF besides the file system, for ``apptainer inspect``."""
    inspected = {
        "data": {
            "attributes": {
                "deffile": definition,
                "labels": json.loads(labels_json(settings)),
                "runscript": runscript(settings),
                "startscript": STARTSCRIPT,
            }
        },
        "type": "container",
    }
    return [
        DataObject(DEFINITION, definition.encode()),
        DataObject(JSON, json.dumps(inspected, sort_keys=True).encode(), "inspect-metadata.json"),
        DataObject(JSON, json.dumps(object_under(config, "config"), sort_keys=True).encode(), "oci-config.json"),
    ]


def _seconds(created: str) -> int:
    """Return the seconds of a configuration's time, 0 for one that is missing or cannot be read."""
    try:
        moment = datetime.strptime(created[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return 0
    return min(max(int(moment.timestamp()), 0), _LATEST)

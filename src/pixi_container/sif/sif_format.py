"""The bytes of a SIF around its file system: one header, then descriptors of what is in it.

Everything is little-endian and packed. Source: https://github.com/apptainer/sif/blob/main/pkg/sif/sif.go,
descriptor.go and arch.go
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

ARCHITECTURES = {"386": b"01", "amd64": b"02", "arm": b"03", "arm64": b"04", "ppc64le": b"06", "s390x": b"11"}
"""The codes of the architectures that images of ours can have, by Docker's names."""

DEFINITION, PARTITION, JSON = 0x4001, 0x4004, 0x4006
"""Types of data objects."""

PARTITION_ALIGNMENT = 4096

_HEADER = struct.Struct("<32s10s3s3s16s8q")
_DESCRIPTOR = struct.Struct("<i?IIIqqqqqqq128s384s")
_LAUNCH = b"#!/usr/bin/env run-singularity\n"
_DESCRIPTORS_AT, _MOST_DESCRIPTORS = 4096, 48
_DATA_AT = _DESCRIPTORS_AT + _MOST_DESCRIPTORS * _DESCRIPTOR.size
_GROUP = 0xF0000001
"""The group of all objects; the upper bits say that it is a group."""

_SQUASHFS, _PRIMARY_SYSTEM = 1, 2
_UNKNOWN = b"00"
_USED = True


@dataclass(frozen=True)
class DataObject:
    """A small object in a SIF."""

    kind: int
    content: bytes
    name: str = ""


def sif_head(
    objects: Sequence[DataObject], file_system_size: int, *, architecture: str, identity: UUID, created: int
) -> bytes:
    """Return all bytes of a SIF before its file system, a squashfs of that many bytes, which ends it.

    ``architecture`` is Docker's name; ``created`` is in seconds since 1970.
    """
    arch = ARCHITECTURES.get(architecture, _UNKNOWN)
    descriptors, data = [], b""
    for number, each in enumerate(objects, 1):
        offset = _DATA_AT + len(data)
        descriptors.append(
            _descriptor(each.kind, number, offset, len(each.content), 0, created, each.name.encode(), b"")
        )
        data += each.content
    padding = -(_DATA_AT + len(data)) % PARTITION_ALIGNMENT
    data += bytes(padding)
    partition = struct.pack("<ii3s", _SQUASHFS, _PRIMARY_SYSTEM, arch)
    descriptors.append(
        _descriptor(
            PARTITION,
            len(objects) + 1,
            _DATA_AT + len(data),
            file_system_size,
            padding,
            created,
            b"",
            partition,
        )
    )
    header = _HEADER.pack(
        _LAUNCH,
        b"SIF_MAGIC",
        b"01",
        arch,
        identity.bytes,
        created,
        created,
        _MOST_DESCRIPTORS - len(descriptors),
        _MOST_DESCRIPTORS,
        _DESCRIPTORS_AT,
        _MOST_DESCRIPTORS * _DESCRIPTOR.size,
        _DATA_AT,
        len(data) + file_system_size,
    )
    return (
        header.ljust(_DESCRIPTORS_AT, b"\0")
        + b"".join(descriptors).ljust(_DATA_AT - _DESCRIPTORS_AT, b"\0")
        + data
    )


def _descriptor(
    kind: int, number: int, offset: int, size: int, padding: int, created: int, name: bytes, extra: bytes
) -> bytes:
    return _DESCRIPTOR.pack(
        kind, _USED, number, _GROUP, 0, offset, size, padding + size, created, created, 0, 0, name, extra
    )

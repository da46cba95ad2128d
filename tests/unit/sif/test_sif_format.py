"""The bytes of a SIF, read again as its specification has them."""

from __future__ import annotations

import struct
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from pixi_container.sif.sif_format import ARCHITECTURES, DEFINITION, JSON, PARTITION, DataObject, sif_head

IDENTITY = UUID("b2659d4e-bd50-4ea5-bd17-eec5e54f918e")
OBJECTS = st.lists(
    st.builds(
        DataObject,
        st.sampled_from([DEFINITION, JSON]),
        st.binary(max_size=9000),
        st.sampled_from(["", "oci-config.json"]),
    ),
    max_size=10,
)


@given(OBJECTS, st.integers(1, 2**40), st.sampled_from([*ARCHITECTURES, "mips"]))
def test_everything_is_where_the_descriptors_say(objects: list[DataObject], size: int, architecture: str) -> None:
    head = sif_head(objects, size, architecture=architecture, identity=IDENTITY, created=7)
    assert head[:32] == b"#!/usr/bin/env run-singularity\n\0"
    magic, version, arch, identity = struct.unpack_from("<10s3s3s16s", head, 32)
    assert (magic, version) == (b"SIF_MAGIC\0", b"01\0")
    assert arch.rstrip(b"\0") == ARCHITECTURES.get(architecture, b"00")
    assert identity == IDENTITY.bytes
    created, modified, free, total, at, length, data_at, data_length = struct.unpack_from("<8q", head, 64)
    assert (created, modified, total, free) == (7, 7, 48, 47 - len(objects))
    assert (at, length, data_at) == (4096, 48 * 585, 4096 + 48 * 585)
    assert data_at + data_length == len(head) + size
    end = data_at
    for number in range(48):
        kind, used, own, group, link, offset, size_of, padded = struct.unpack_from(
            "<i?IIIqqq", head, at + 585 * number
        )
        rest = head[at + 585 * number + 73 : at + 585 * (number + 1)]
        if number > len(objects):
            assert not any(head[at + 585 * number : at + 585 * (number + 1)])
            continue
        assert (used, own, group, link) == (True, number + 1, 0xF0000001, 0)
        assert offset - end + size_of == padded
        end = offset + size_of
        if number < len(objects):
            assert head[offset:end] == objects[number].content
            assert (kind, rest[:128].rstrip(b"\0").decode()) == (objects[number].kind, objects[number].name)
        else:
            assert (kind, size_of, offset, offset % 4096) == (PARTITION, size, len(head), 0)
            assert struct.unpack_from("<ii3s", rest, 128) == (1, 2, arch)
    assert end == len(head) + size

from __future__ import annotations


class RigError(Exception):
    """The rig cannot be brought up, used or taken down; the message says why and what to do about it."""

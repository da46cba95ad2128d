from __future__ import annotations


class RigError(Exception):
    """The rig cannot be brought up, used or taken down; the message says why and what to do about it."""


class UnavailableError(RigError):
    """This machine cannot have a part of the rig that a few tests need; the message says why."""

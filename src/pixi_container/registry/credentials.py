"""A user name and password for one registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A user name and password for one registry; ``repr`` never shows the password."""

    registry: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(registry={self.registry!r}, username={self.username!r}, password=…)"

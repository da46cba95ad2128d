"""Packages that cannot be put into an image from their archive: broken ones, and those that need pixi."""

from __future__ import annotations

from pixi_container.errors import UserError
from pixi_container.shortening import shortened


class BrokenPackageError(UserError):
    """The archive of a package is damaged or hostile; no other way would install it either."""

    def __init__(self, package: str, problem: str) -> None:
        super().__init__(
            f"package '{shortened(package)}' is broken: {shortened(problem, 300)}",
            hint="It is the file that the lock names: tell its publisher, and lock another version or build.",
        )
        self.package = package


class NotDirectError(Exception):
    """A sound package, or several together, that only pixi can install: ``reason`` completes a sentence."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(f"package '{shortened(package)}' {shortened(reason, 300)}")
        self.package = package
        self.reason = reason

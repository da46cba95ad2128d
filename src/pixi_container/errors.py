"""The one exception for what a user can mend; everything else that escapes is a bug."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can put right: what is wrong, where, and what to do.

    ``file`` is a path as the user knows it and ``line`` counts from one; both become the place of the
    annotation in a workflow. ``hint`` says what to do.
    """

    def __init__(self, message: str, *, hint: str = "", file: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.message}" + (f"\n{self.hint}" if self.hint else "")

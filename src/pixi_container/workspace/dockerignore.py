"""``.dockerignore`` as the builder reads it: what its patterns exclude, and which folders are not walked.

All patterns together are one automaton. The state after a folder's name is kept for everything in the folder.

Sources: https://github.com/moby/patternmatcher, https://github.com/tonistiigi/fsutil/blob/master/filter.go
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from pixi_container.errors import UserError
from pixi_container.shortening import shortened
from pixi_container.workspace.ignore_expressions import chains
from pixi_container.workspace.ignore_matcher import Matcher
from pixi_container.workspace.ignore_patterns import (
    BYTE_ORDER_MARK,
    BadPatternError,
    Pattern,
    pattern_in,
    printable,
    without_glob,
)

_MOST_PATTERNS = 10_000
_MOST_PLACES = 256 * 1024


@dataclass(frozen=True)
class Verdict:
    """Whether the patterns exclude a path; the other fields are the state for paths below it.

    ``matched`` has a bit for each group of patterns that matched this path or one above it.
    """

    path: str
    is_hidden: bool
    matched: int
    active: int


@dataclass(frozen=True)
class DockerIgnore:
    """What a ``.dockerignore`` excludes from the build; ``patterns`` are in the file's order."""

    patterns: tuple[Pattern, ...] = ()
    _matcher: Matcher = field(init=False, repr=False, compare=False)
    _exceptions: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _has_wild_exceptions: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exceptions = [without_glob(pattern.text) for pattern in self.patterns if pattern.is_exception]
        object.__setattr__(self, "_matcher", Matcher.of(self.patterns))
        object.__setattr__(self, "_exceptions", tuple(sorted(f"{text}/" for text in exceptions)))
        object.__setattr__(self, "_has_wild_exceptions", any(set("*[]?^\\") & set(text) for text in exceptions))

    @classmethod
    def parse(cls, text: str, file: str = "") -> DockerIgnore:
        """Return the patterns of the file's text; ``file`` names it in errors.

        Raises ``UserError`` for a pattern that would stop the build, and for too many or too long patterns. Source
        of the rules for lines:
        https://github.com/moby/patternmatcher/blob/main/ignorefile/ignorefile.go
        """
        patterns = []
        places = 0
        for number, line in enumerate(printable(text).removeprefix(BYTE_ORDER_MARK).split("\n"), 1):
            try:
                pattern = pattern_in(line, number)
                if pattern is None:
                    continue
                places += sum(len(steps) + 1 for steps in chains(pattern.text))
            except BadPatternError as error:
                raise UserError(
                    f"the pattern '{shortened(line.strip())}' {error}",
                    file=file,
                    line=number,
                    hint="Patterns: https://docs.docker.com/build/concepts/context/#dockerignore-files",
                ) from error
            patterns.append(pattern)
            if len(patterns) > _MOST_PATTERNS or places > _MOST_PLACES:
                raise UserError(
                    f"there are more than {_MOST_PATTERNS} patterns or {_MOST_PLACES} pattern characters",
                    file=file,
                    line=number,
                )
        return cls(tuple(patterns))

    def top(self) -> Verdict:
        """Return the verdict on the context itself, where every path begins."""
        return Verdict("", is_hidden=False, matched=0, active=self._matcher.start)

    def below(self, folder: Verdict, name: str) -> Verdict:
        """Return the verdict on ``name`` in a folder.

        A pattern that matched the folder also matches everything in it; a pattern that was not evaluated for the
        folder did not match. Source: ``MatchesUsingParentResults`` in
        https://github.com/moby/patternmatcher/blob/main/patternmatcher.go
        """
        path = f"{folder.path}/{name}" if folder.path else name
        if not self.patterns:
            return Verdict(path, is_hidden=False, matched=0, active=0)
        active = self._matcher.after(folder.active, path, len(folder.path))
        is_hidden, matched = self._matcher.decision(self._matcher.ended(active, path), folder.matched)
        return Verdict(path, is_hidden=is_hidden, matched=matched, active=active)

    def sees(self, folder: str) -> bool:
        """Return whether the builder looks into a folder of the context."""
        verdict = self.top()
        for name in folder.split("/"):
            if self.is_skipped(verdict):
                return False
            verdict = self.below(verdict, name)
        return not self.is_skipped(verdict)

    def is_skipped(self, folder: Verdict) -> bool:
        """Return whether the builder skips an excluded folder because no exception can apply inside it.

        Source: ``Walk`` in https://github.com/tonistiigi/fsutil/blob/master/filter.go
        """
        if not folder.is_hidden or self._has_wild_exceptions:
            return False
        inside = f"{folder.path}/"
        nearest = bisect_left(self._exceptions, inside)
        return not any(text.startswith(inside) for text in self._exceptions[nearest : nearest + 1])

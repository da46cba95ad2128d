"""What the input ``include`` copies into the image: folders and files of the context, and where they go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.paths import HOW_TO_BE_INSIDE, NEVER_COPIED, checked_path, is_folder
from pixi_container.shortening import shortened
from pixi_container.workspace.build_context import read_docker_ignore, sent_paths
from pixi_container.workspace.dockerignore import DockerIgnore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

MOST_COPIES = 40
"""The most copies of one image, as each is a layer."""

_SOURCE = "input 'include'"
_OPTION = re.compile(r"--(chown|chmod)=(\S+)\s+")
_OWNER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")
_MODE = re.compile(r"[0-7]{3,4}")
_DESTINATION = re.compile(r"/?[A-Za-z0-9_.][A-Za-z0-9._-]*(/[A-Za-z0-9_.][A-Za-z0-9._-]*)*/?")
_ARROW = re.compile(r"\s+=>\s+")
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class IncludedCopy:
    """One copy: paths of the context, and where they go, absolute or relative to the workspace's folder.

    A destination that ends with a slash is a folder to copy into. ``owner`` is by number, ``mode`` octal.
    """

    sources: tuple[str, ...]
    destination: str
    owner: str = ""
    mode: str = ""


@dataclass(frozen=True)
class IncludeRule:
    """One line: a path or a glob, or with ``is_exception`` what lines before it do not copy after all."""

    pattern: str
    destination: str = ""
    owner: str = ""
    mode: str = ""
    is_exception: bool = False

    @property
    def is_glob(self) -> bool:
        """Whether it may name more than one path."""
        return bool(_PATTERN.search(self.pattern))

    @property
    def top(self) -> str:
        """The folder or file in which everything is that it names."""
        plain: list[str] = []
        for part in PurePosixPath(self.pattern).parts:
            if _PATTERN.search(part):
                break
            plain.append(part)
        return "/".join(plain) or "."


def include_rules(lines: Iterable[str]) -> tuple[IncludeRule, ...]:
    """Return the rules of ``include``.

    A line is a path or glob, with ``=> destination`` after it and ``--chown=`` and ``--chmod=`` before it, or an
    exception that begins with ``!``. Raises ``UserError`` for another line.
    """
    return tuple(_rule(line) for line in lines)


def _rule(line: str) -> IncludeRule:
    if line.startswith("!"):
        return IncludeRule(_pattern(line[1:].strip(), line), is_exception=True)
    options, rest = dict[str, str](), line
    while option := _OPTION.match(rest):
        name, value = option[1], option[2]
        if not (_OWNER if name == "chown" else _MODE).fullmatch(value):
            raise _malformed(
                line, f"--{name} with {'numbers, such as 1000:1000' if name == 'chown' else 'a mode'}"
            )
        options[name] = value
        rest = rest[option.end() :]
    source, *destination = _ARROW.split(rest, maxsplit=1)
    if destination and (not _DESTINATION.fullmatch(destination[0]) or ".." in destination[0].split("/")):
        raise _malformed(line, "a destination of letters, digits and . _ - between slashes, such as /data/")
    return IncludeRule(
        _pattern(source.strip(), line),
        destination[0] if destination else "",
        options.get("chown", ""),
        options.get("chmod", ""),
    )


def _pattern(pattern: str, line: str) -> str:
    if pattern.startswith("/") or ".." in PurePosixPath(pattern).parts:
        hints = ("Paths are relative to 'context'.", *([HOW_TO_BE_INSIDE] if ".." in pattern else []))
        raise UserError(f"{_SOURCE}: '{shortened(pattern)}' leads out of the context", hint=" ".join(hints))
    if not pattern or pattern.startswith("--"):
        raise _malformed(line, "paths and globs in 'context', such as src, data/*.csv, or run.sh => /opt/run.sh")
    return str(PurePosixPath(pattern))


def _malformed(line: str, accepted: str) -> UserError:
    return UserError(f"{_SOURCE} has an invalid line: {shortened(line)!r}", hint=f"Accepted: {accepted}.")


def included_copies(
    context: Path, rules: Sequence[IncludeRule], in_any_case: Collection[str] = ()
) -> tuple[IncludedCopy, ...]:
    """Return the copies of the rules, each of as large a folder as there is no exception in.

    ``in_any_case`` are paths that are in the image already. Raises ``UserError`` for a path that does not exist or
    that no COPY can name, for a glob that matches nothing, and for more copies than an image may have.
    """
    copies: list[IncludedCopy] = []
    plain = all(not (rule.is_glob or rule.is_exception or rule.pattern == ".") for rule in rules)
    ignore = DockerIgnore() if plain else read_docker_ignore(context)[0]
    for number, rule in enumerate(rules):
        if rule.is_exception:
            continue
        exceptions = [later.pattern for later in rules[number + 1 :] if later.is_exception]
        if rule.pattern == "." or rule.is_glob or exceptions:
            copies += _copies_of(context, rule, exceptions, ignore, in_any_case)
        else:
            path = checked_path(context, rule.pattern, source=_SOURCE)
            copies.append(_copy(rule, (path,), rule.destination or path))
    distinct = tuple(dict.fromkeys(copies))
    if len(distinct) > MOST_COPIES:
        raise UserError(
            f"{_SOURCE} makes {len(distinct)} copies, each of which is a layer; the maximum is {MOST_COPIES}",
            hint="Name folders in place of what is in them, or exclude files in .dockerignore.",
        )
    return distinct


def _copies_of(
    context: Path, rule: IncludeRule, exceptions: Sequence[str], ignore: DockerIgnore, left_out: Collection[str]
) -> Iterator[IncludedCopy]:
    """Yield the copies of a rule with a glob or exceptions: whole folders where nothing in them is left out."""
    if rule.top != ".":
        checked_path(context, rule.top, source=_SOURCE)
    sent = sent_paths(context, rule.top, ignore)
    # Also where the workspace is below the context.
    every = {path for path in sent if path != "." and not NEVER_COPIED & set(path.split("/"))}
    hidden = {str(parent) for path in sent.keys() - every for parent in PurePosixPath(path).parents}
    folders = {str(parent) for path in every for parent in PurePosixPath(path).parents} - {"."}
    # An empty folder counts as a file: it is copied for its own sake.
    files = every - folders
    chosen = {
        path
        for path in files
        if _is_chosen(rule, path)
        and path not in left_out
        and not any(_matches(path, exception) for exception in exceptions)
    }
    if not chosen:
        raise UserError(f"{_SOURCE}: '{shortened(rule.pattern)}' names no file in '{context}'")
    by_folder: dict[str, list[str]] = {}
    for path in sorted(_tops(chosen, files, hidden)):
        checked_path(context, path, source=_SOURCE)
        if is_folder(context, path):
            yield _copy(rule, (path,), _below_destination(rule, path))
        else:
            by_folder.setdefault(str(PurePosixPath(path).parent), []).append(path)
    for folder, paths in by_folder.items():
        place = "" if folder == "." else f"{folder}/"
        yield _copy(rule, tuple(paths), _folder_destination(rule, place))


def _is_chosen(rule: IncludeRule, path: str) -> bool:
    if not rule.is_glob:
        return rule.pattern in {".", path} or path.startswith(f"{rule.pattern}/")
    return _matches(path, rule.pattern)


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a glob names a path or a folder above it."""
    from wcmatch import glob

    return glob.globmatch(path, [pattern, f"{pattern}/**"], flags=glob.GLOBSTAR | glob.DOTGLOB)


def _tops(chosen: set[str], files: set[str], hidden: set[str]) -> set[str]:
    """Return folders of which every file is chosen in place of these files; ``hidden`` are no such folders."""
    not_chosen = hidden | {str(parent) for path in files - chosen for parent in PurePosixPath(path).parents}
    tops = set()
    for path in chosen:
        top = path
        for parent in map(str, PurePosixPath(path).parents):
            if parent == "." or parent in not_chosen:
                break
            top = parent
        tops.add(top)
    return tops


def _copy(rule: IncludeRule, sources: tuple[str, ...], destination: str) -> IncludedCopy:
    return IncludedCopy(sources, destination, rule.owner, rule.mode)


def _below_destination(rule: IncludeRule, folder: str) -> str:
    """Return where a folder goes; the folder of the rule is left out of the path below its destination."""
    if not rule.destination:
        return folder
    return f"{rule.destination.rstrip('/')}/{_inner(rule, folder)}".rstrip("/")


def _folder_destination(rule: IncludeRule, folder: str) -> str:
    if not rule.destination:
        return folder or "./"
    return f"{rule.destination.rstrip('/')}/{_inner(rule, folder)}".rstrip("/") + "/"


def _inner(rule: IncludeRule, path: str) -> str:
    return path.rstrip("/").removeprefix("" if rule.top == "." else rule.top).strip("/")

"""Packages of the lock that come from a folder, a local file or Git, with what py-rattler does not tell of them.

The lock is written by serde_yaml in one fixed form: two spaces per level, one scalar per line. Only the few
entries of this kind are read here, as lines; whether the file is a lock at all has been decided by its parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENTRY = re.compile(
    r"^- (?:conda_source: (?P<built>.+)|(?P<type>conda|pypi): (?P<place>(?!https?://).+)"
    r"|kind: (?P<kind>conda|pypi)$)",
    re.MULTILINE,
)
_NAMED_SOURCE = re.compile(r"(?P<name>[^\[\s]+)\[[^\]]*\] @ (?P<location>.+)")
_SUBDIR = re.compile(r"^  (?:subdir|  target_platform): (.+)$", re.MULTILINE)
_LIST = re.compile(r"^  depends:\n((?:  - .*\n)*)", re.MULTILINE)
_NESTED = re.compile(r"^  - (?:conda_source: .+? @ |conda: (?!https?://))(.+)$", re.MULTILINE)
_SOURCE = re.compile(r"^  (?:source|package_build_source):\n((?:    .*\n?)+)", re.MULTILINE)
_SOURCE_DEPENDS = re.compile(r"^  (?:source_depends|sources):\n((?:    .*\n?)+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """One entry; ``kind`` is ``conda`` or ``pypi``. ``subdir`` is empty where it holds for every platform.

    ``asks`` are its dependencies on virtual packages. ``git`` is where its source comes from when that is not
    ``location``. ``inputs`` are other local folders that building it reads, as written: relative to the workspace
    (``from_workspace``) or to its own location (``from_location``).
    """

    kind: str
    name: str
    location: str
    subdir: str = ""
    editable: bool = False
    asks: tuple[str, ...] = ()
    git: str = ""
    from_workspace: tuple[str, ...] = ()
    from_location: tuple[str, ...] = ()


def source_records(text: str) -> tuple[SourceRecord, ...]:
    """Read them all from the text of a lock of any version; before version 4 there were none."""
    records = []
    for entry in _ENTRY.finditer(text):
        end = text.find("\n- ", entry.end())
        body = text[entry.end() : len(text) if end < 0 else end + 1]
        location = _plain(entry["built"] or entry["place"] or "")
        name = _field(body, "name")
        if entry["built"]:
            named = _NAMED_SOURCE.fullmatch(location)
            if named is None:
                continue
            name, location = named["name"], named["location"]
        elif entry["kind"]:
            location = _field(body, "path")
            if not location:
                continue
        records.append(_record(entry["type"] or entry["kind"] or "conda", name, location, body))
    return tuple(records)


def _record(kind: str, name: str, location: str, body: str) -> SourceRecord:
    subdir = _SUBDIR.search(body)
    depends = _LIST.search(body)
    asks = (_plain(line[4:]) for line in depends[1].splitlines()) if depends else ()
    source = _SOURCE.search(body)
    places = dict(re.findall(r"^    (git|path|url): (.+)$", source[1], re.MULTILINE)) if source else {}
    others = _SOURCE_DEPENDS.search(body)
    return SourceRecord(
        kind=kind,
        name=name,
        location=location,
        subdir=_plain(subdir[1]).replace("noarch", "") if subdir else "",
        editable=_field(body, "editable") == "true",
        asks=tuple(ask for ask in asks if ask.startswith("__")),
        git=_plain(places.get("git", "")),
        from_workspace=tuple(dict.fromkeys(_plain(place) for place in _NESTED.findall(body))),
        from_location=tuple(
            dict.fromkeys(
                [
                    *([_plain(places["path"])] if "path" in places else []),
                    *(
                        _plain(path)
                        for path in re.findall(r"^ {6}path: (.+)$", others[1] if others else "", re.MULTILINE)
                    ),
                ]
            )
        ),
    )


def _field(body: str, name: str) -> str:
    line = re.search(rf"^  {name}: (.+)$", body, re.MULTILINE)
    return _plain(line[1]) if line else ""


def _plain(scalar: str) -> str:
    """Take the quotes off a scalar of one line."""
    scalar = scalar.strip()
    if scalar[:1] == scalar[-1:] == "'" and len(scalar) > 1:
        return scalar[1:-1].replace("''", "'")
    return scalar[1:-1] if scalar[:1] == scalar[-1:] == '"' and len(scalar) > 1 else scalar

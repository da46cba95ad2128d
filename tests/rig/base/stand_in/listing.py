"""`pixi list`: what the lock has for an environment, whether it is installed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import lock as locks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .prefix import Request


def rows(request: Request) -> list[dict[str, object]]:
    """One row a package, sorted by name, with the keys of `pixi list --json`."""
    platform = request.choose_platform()
    packages = request.packages(platform)
    environment = request.environment
    explicit = {name for name, _ in environment.specs(platform.subdir)}
    explicit |= set(environment.pypi_specs(platform.subdir))
    found: list[dict[str, object]] = [
        {
            "name": record.name.normalized,
            "version": str(record.version),
            "build": str(record.build),
            "build_number": record.build_number,
            "size_bytes": record.size,
            "kind": "conda",
            "source": record.channel,
            "license": record.license,
            "file_name": record.file_name,
            "url": record.url,
        }
        for record in locks.conda_records(packages)
    ]
    found += [
        {
            "name": package.name,
            "version": package.version,
            "build": None,
            "size_bytes": None,
            "kind": "pypi",
            "source": package.location,
        }
        for package in locks.pypi_packages(packages)
    ]
    return sorted(
        ({**row, "is_explicit": row["name"] in explicit} for row in found), key=lambda row: str(row["name"])
    )


def _cell(key: str, value: object) -> str:
    """A size as the indicatif crate writes it for people."""
    if key != "size_bytes" or not isinstance(value, int):
        return str(value)
    size, unit = float(value), ""
    for unit in ("", "Ki", "Mi", "Gi"):
        if size < 1024 or unit == "Gi":
            break
        size /= 1024
    return f"{size:.2f} {unit}B" if unit else f"{value} B"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    columns = ("name", "version", "build", "size_bytes", "kind", "source")
    lines: list[Sequence[str]] = [("Name", "Version", "Build", "Size", "Kind", "Source")]
    lines += [["" if row.get(key) is None else _cell(key, row[key]) for key in columns] for row in rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in line).rstrip() for line in padded)

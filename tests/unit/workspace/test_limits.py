"""The limits on locks and manifests, at the limit and one beyond, and what a comparison costs of its budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.workspace import stale_lock
from pixi_container.workspace.lock_text import _check_size as check_size
from pixi_container.workspace.lock_text import check_lock_text
from pixi_container.workspace.stale_packages import PackageComparison
from tests.unit.workspace.locked_workspace import MANIFEST, PYPROJECT, reasons


def lock_error(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        check_lock_text(text, "pixi.lock")
    assert caught.value.file == "pixi.lock"
    return caught.value


@pytest.mark.parametrize(
    ("part", "most", "what"),
    [
        ("\n- a", 50_000, "50000 packages"),
        ("\n", 300_000, "300000 lines or entries"),
        ("a: b,\n", 150_000, "300000 lines or entries"),
        ("  - - a: b\n", 100_000, "300000 lines or entries"),
    ],
)
def test_a_lock_has_so_many_lines_and_packages(part: str, most: int, what: str) -> None:
    check_size(part * most, "pixi.lock")
    with pytest.raises(UserError) as caught:
        check_size(part * (most + 1), "pixi.lock")
    assert caught.value.message == f"the lock has more than {what}"


def test_a_lock_has_a_thousand_platforms() -> None:
    check_lock_text("platforms:" + "\n- name: a" * 1000, "pixi.lock")
    assert lock_error("platforms:" + "\n- name: a" * 1001).message == "the lock has more than 1000 platforms"
    check_lock_text("platforms:\n- name: a\npackages:" + "\n- conda: a" * 1001, "pixi.lock")


def test_a_line_of_a_lock_has_4096_characters() -> None:
    check_lock_text("a: " + "b" * 4093, "pixi.lock")
    error = lock_error("a: b\na: " + "b" * 4094)
    assert error.message == "the lock cannot be read: a line has 4097 characters; the limit is 4096"
    assert error.line == 2


def conditions(count: int) -> str:
    return f"- a; {' or '.join(['b'] * (count + 1))}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # Of 10,000 parts, a marker of n operators costs 2 ** (n / 2).
        (conditions(26), None),
        (conditions(27), 1),
        (conditions(26) + conditions(21), None),
        (conditions(26) + conditions(22), 2),
        # As much as there is, and one more.
        ("".join(map(conditions, (26, 20, 18, 16, 8))), None),
        ("".join(map(conditions, (26, 20, 18, 16, 8, 0))), 6),
        (conditions(26) * 5, None),
        (conditions(100), 1),
        ("- a; " + "(" * 26 + "\n", None),
        ("- a; " + "(" * 27 + "\n", 1),
        ("- a or b or c" + " or d" * 100 + "\n", None),
    ],
)
def test_conditions_of_dependencies_have_a_budget(text: str, line: int | None) -> None:
    if line is None:
        check_lock_text(text, "pixi.lock")
        return
    error = lock_error(text)
    assert error.message == "the lock cannot be read: its dependencies have too many conditions to evaluate"
    assert error.line == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [b]\n", 1),
        ("a: b\n\tc: d\n", 2),
        ("a: |\n  text [\n  more {\nb: [c]\n", 4),
        ("a: >-\n  text\n\n  more\n[\n", 5),
        ("a: &b c\n", 1),
        ("---\n", 1),
    ],
)
def test_what_pixi_would_not_write_is_named_with_its_line(text: str, line: int) -> None:
    error = lock_error(text)
    assert error.message == "the lock cannot be read: Pixi would not write this line"
    assert error.line == line
    assert "`pixi lock`" in error.hint


@pytest.mark.parametrize(
    "text",
    ["a: |\n  any [ text\n   {\n\nb: c\n", "a: >\n  b\n", "a: []\nb: {}\n", "- - a: 'b'\n", "# a\n", "a: b # c"],
)
def test_what_pixi_writes_is_read(text: str) -> None:
    check_lock_text(text, "pixi.lock")


STALE = MANIFEST.replace('ninja = ">=1.11"', 'ninja = ">=1.99"')


@pytest.mark.parametrize("manifest", [MANIFEST, STALE])
def test_a_comparison_counts_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str) -> None:
    made: list[PackageComparison] = []

    def noted(steps: int) -> PackageComparison:
        made.append(PackageComparison(steps))
        return made[-1]

    monkeypatch.setattr(stale_lock, "PackageComparison", noted)
    reasons(tmp_path, manifest)
    # Any other number is right as well if the rules of counting changed; the real limit is 2,000,000.
    assert [2_000_000 - one.steps for one in made] == [78]


@pytest.mark.parametrize(("steps", "count"), [(0, 0), (58, 0), (59, 1), (2_000_000, 1)])
def test_a_comparison_that_costs_too_much_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, count: int
) -> None:
    monkeypatch.setattr(stale_lock, "_MOST_STEPS", steps)
    assert len(reasons(tmp_path, STALE)) == count


@pytest.mark.parametrize(("entries", "count"), [(0, 0), (9, 0), (10, 1), (100_000, 1)])
def test_a_manifest_with_too_many_requirements_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: int, count: int
) -> None:
    monkeypatch.setattr(stale_lock, "_MOST_REQUIREMENTS", entries)
    assert len(reasons(tmp_path, STALE)) == count


@pytest.mark.parametrize(("entries", "count"), [(0, 0), (21, 0), (22, 1)])
def test_requirements_of_a_python_project_count_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: int, count: int
) -> None:
    monkeypatch.setattr(stale_lock, "_MOST_REQUIREMENTS", entries)
    assert len(reasons(tmp_path, PYPROJECT.replace("tqdm>=4", "tqdm>=5"), name="pyproject.toml")) == count

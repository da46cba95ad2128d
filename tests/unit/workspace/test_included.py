"""What ``include`` copies, and where to: whole folders where it can, single files where it must."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.workspace.included import MOST_COPIES, IncludedCopy, include_rules, included_copies

FILES = (
    *("pixi.toml", "pixi.lock", "README.md", "run.sh", "src/main.py", "src/app/a.py", "src/app/data/big.bin"),
    *(
        "data/1.csv",
        "data/2.csv",
        "data/raw/x.bin",
        "docs/index.md",
        ".github/workflows/ci.yml",
        ".pixi/x",
        ".git/y",
    ),
)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    return tmp_path


def copies(context: Path, *lines: str, have: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    made = included_copies(context, include_rules(lines), have)
    return [(copy.sources, copy.destination) for copy in made]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["src"], [(("src",), "src")]),
        (["./src/", "src"], [(("src",), "src")]),
        (["run.sh"], [(("run.sh",), "run.sh")]),
        (["src => /opt/code"], [(("src",), "/opt/code")]),
        (["run.sh => /usr/local/bin/"], [(("run.sh",), "/usr/local/bin/")]),
        (["run.sh => bin/start"], [(("run.sh",), "bin/start")]),
        (["data/*.csv"], [(("data/1.csv", "data/2.csv"), "data/")]),
        (["data/*.csv => /tables"], [(("data/1.csv", "data/2.csv"), "/tables/")]),
        (["*.md"], [(("README.md",), "./")]),
        (["**/*.md"], [(("docs",), "docs"), (("README.md",), "./")]),
        (["**/*.py"], [(("src/app/a.py",), "src/app/"), (("src/main.py",), "src/")]),
        (["**/*.py => /code"], [(("src/app/a.py",), "/code/src/app/"), (("src/main.py",), "/code/src/")]),
        (["src", "!src/app/data"], [(("src/app/a.py",), "src/app/"), (("src/main.py",), "src/")]),
        (["data", "!data/raw/**"], [(("data/1.csv", "data/2.csv"), "data/")]),
        (["data => /d", "!**/raw"], [(("data/1.csv", "data/2.csv"), "/d/")]),
        (["data", "!**/*.md"], [(("data",), "data")]),
        (["da*"], [(("data",), "data")]),
        (["empty"], [(("empty",), "empty")]),
    ],
)
def test_what_is_copied(context: Path, lines: list[str], expected: list[tuple[tuple[str, ...], str]]) -> None:
    assert copies(context, *lines) == expected


def test_the_whole_context_is_each_of_its_folders(context: Path) -> None:
    (context / ".dockerignore").write_text("docs\n")
    whole = copies(context, ".", have=("pixi.toml", "pixi.lock"))
    assert whole == [
        *[((name,), name) for name in (".github", "data", "empty", "src")],
        ((".dockerignore", "README.md", "run.sh"), "./"),
    ]
    with_exceptions = copies(context, ". => /work", "!.*", "!src/app", have=("pixi.toml", "pixi.lock"))
    assert with_exceptions == [
        *[((name,), f"/work/{name}") for name in ("data", "empty")],
        (("README.md", "run.sh"), "/work/"),
        (("src/main.py",), "/work/src/"),
    ]


def test_an_owner_and_a_mode() -> None:
    (rule,) = include_rules(["--chown=1000:100 --chmod=0755 data => /data"])
    assert (rule.pattern, rule.destination, rule.owner, rule.mode) == ("data", "/data", "1000:100", "0755")


def test_copies_have_the_owner_and_the_mode_of_their_line(context: Path) -> None:
    made = included_copies(context, include_rules(["--chown=7 data/*.csv", "run.sh"]))
    assert made == (
        IncludedCopy(("data/1.csv", "data/2.csv"), "data/", "7"),
        IncludedCopy(("run.sh",), "run.sh"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "!",
        "--chown=me data",
        "--chown=1:2:3 data",
        "--chmod=u+x data",
        "--chmod=9 data",
        "--parents data",
        "data => ",
        "data => a b",
        "data => ../x",
        "data => /a/../b",
        'data => /a"]',
        "data => $HOME",
    ],
)
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(UserError, match="input 'include' has an invalid line"):
        include_rules([line])


@pytest.mark.parametrize("line", ["/etc", "../x", "a/../../b", "!/x", "../x/* => y"])
def test_what_leads_out(line: str) -> None:
    with pytest.raises(UserError, match=r"input 'include': '.*' leads out of the context") as caught:
        include_rules([line])
    assert caught.value.hint.startswith("Paths are relative to 'context'.")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nothing"], "input 'include': 'nothing' does not exist"),
        (["*.nothing"], "input 'include': '*.nothing' names no file"),
        (["src", "!src"], "input 'include': 'src' names no file"),
        ([".git/*"], "input 'include': '.git' is never copied"),
        ([".pixi"], "input 'include': '.pixi' is never copied"),
        (["nothing/*.x"], "input 'include': 'nothing' does not exist"),
    ],
)
def test_what_cannot_be_copied(context: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        copies(context, *lines)


def test_an_image_has_so_many_layers(context: Path) -> None:
    for number in range(MOST_COPIES + 1):
        (context / f"many/{number:03}").mkdir(parents=True)
        (context / f"many/{number:03}/a.txt").touch()
        (context / f"many/{number:03}/b.bin").touch()
    with pytest.raises(UserError, match=f"makes {MOST_COPIES + 1} copies"):
        copies(context, "many/**/*.txt")
    assert copies(context, "many") == [(("many",), "many")]


NAMES = st.sampled_from(["a", "b", "c.py", "d.md"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.sets(PATHS, min_size=1, max_size=8), PATHS)
def test_each_chosen_file_is_copied_once_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str], exception: str
) -> None:
    context = tmp_path_factory.mktemp("context")
    written = set()
    for path in sorted(paths, key=len):
        place = context / path
        if not place.exists() and not any(parent.is_file() for parent in place.parents):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            written.add(path)
    chosen = {path for path in written if path != exception and not path.startswith(f"{exception}/")}
    if not chosen:
        return
    made = included_copies(context, include_rules([".", f"!{exception}"]))
    copied = [path for copy in made for source in copy.sources for path in _files(context, source)]
    assert sorted(copied) == sorted(chosen)


def _files(context: Path, source: str) -> list[str]:
    place = context / source
    if place.is_file():
        return [source]
    return [str(path.relative_to(context)) for path in place.rglob("*") if path.is_file()]

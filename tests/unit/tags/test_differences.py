"""The table of differences in docs/tags.md: each row does what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixi_container.errors import UserError
from pixi_container.image.metadata import compute_metadata
from pixi_container.input_table import INPUTS
from pixi_container.inputs import Inputs
from pixi_container.runner.event import Event
from pixi_container.tags import Repository, facts_from
from tests.unit.tags.events import NOW, PUSH, SHA, branch, tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixi_container.tags import Facts, Metadata

PAGE = Path(__file__).parents[3] / "docs" / "tags.md"
HEADER = "| rule | example | here | there | why |"
KEY = "org.opencontainers.image."
ERROR = "an error"
NO_BAKE_FILES = "no bake files, no separators"

# What metadata-action's own test cases know of the repository.
CASE_REPOSITORY = Repository(full_name="octocat/Hello-World", description="This your first repo!")


def names(metadata: Metadata) -> list[str]:
    return list(metadata.tag_names)


def tags(metadata: Metadata) -> list[str]:
    return list(metadata.tags)


def label(name: str) -> Callable[[Metadata], list[str] | str]:
    def value(metadata: Metadata) -> list[str] | str:
        return [metadata.labels[KEY + name]] if KEY + name in metadata.labels else "left out"

    return value


def descriptions(metadata: Metadata) -> list[str]:
    return [text for text in metadata.annotations if ".description=" in text]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One rule by example. Lists are values; a text is what the page says in words.

    ``case`` names a test case of metadata-action that shows it, reduced here to what matters for the rule.
    """

    rule: str
    inputs: Inputs
    here: list[str] | str
    there: list[str] | str
    facts: Facts = PUSH
    show: Callable[[Metadata], list[str] | str] = names
    published: tuple[str, ...] = ()
    case: str = ""


@dataclass(frozen=True)
class Row:
    example: str
    here: str
    there: str
    why: str


DIFFERENCES = [
    Difference(
        rule="default tags",
        case="push/push01",
        facts=replace(branch("dev"), default_branch="master"),
        inputs=Inputs(images="user/app"),
        here=["sha-860c190"],
        there=["dev"],
    ),
    Difference(
        rule="`latest` never moves back",
        facts=tag("v1.2.9"),
        inputs=Inputs(tags="type=semver,pattern={{version}}"),
        published=("2.0.0",),
        here=["1.2.9"],
        there=["1.2.9", "latest"],
    ),
    Difference(
        rule="no tag twice",
        inputs=Inputs(tags="latest", flavor="latest=true"),
        here=["latest"],
        there=["latest", "latest"],
    ),
    Difference(rule="tags are checked", inputs=Inputs(tags=".dev"), here=ERROR, there=[".dev"]),
    Difference(rule="no value, no tag", inputs=Inputs(tags="{{tag}},prefix=v-"), here="none", there=["v-"]),
    Difference(
        rule="no `images`",
        case="tag/tag33",
        facts=tag("v1.1.1"),
        inputs=Inputs(tags="type=pep440,pattern={{version}}"),
        show=tags,
        here=["ghcr.io/lab/analysis:1.1.1", "ghcr.io/lab/analysis:latest"],
        there=["1.1.1", "latest"],
    ),
    Difference(
        rule="names in full",
        case="push/push02",
        inputs=Inputs(images="user/app", tags="type=edge"),
        show=tags,
        here=["docker.io/user/app:edge"],
        there=["user/app:edge"],
    ),
    Difference(
        rule="image names are checked",
        inputs=Inputs(images="ghcr.io/lab/app:1", tags="a"),
        show=tags,
        here=ERROR,
        there=["ghcr.io/lab/app:1:a"],
    ),
    Difference(
        rule="all images disabled",
        inputs=Inputs(images="user/app,enable=false", tags="a"),
        show=tags,
        here="none",
        there=["a"],
    ),
    Difference(rule="unknown words", inputs=Inputs(tags="a,prio=1"), here=ERROR, there=["a"]),
    Difference(
        rule="unknown and malformed expressions", inputs=Inputs(tags="a-{{brnch}}"), here=ERROR, there=["a-"]
    ),
    Difference(rule="blocks", inputs=Inputs(tags="{{#if branch}}a{{/if}}"), here=ERROR, there=["a"]),
    Difference(
        rule="given twice",
        inputs=Inputs(tags="type=raw,value={{commit_date 'YYYY, [week] W'}}"),
        here=ERROR,
        there=["-week-W-"],
    ),
    Difference(
        rule="fields that do nothing", inputs=Inputs(tags="type=sha,long"), here=ERROR, there=["sha-860c190"]
    ),
    Difference(rule="required values", inputs=Inputs(tags="type=raw,value="), here=ERROR, there="none"),
    Difference(rule="numbers are checked", inputs=Inputs(tags="a,priority=high"), here=ERROR, there=["a"]),
    Difference(
        rule="label keys are checked",
        inputs=Inputs(tags="a", labels="=lab"),
        here=ERROR,
        there="a label without a name",
    ),
    Difference(
        rule="label entries without `=`",
        case="json/json01",
        inputs=Inputs(tags="a", labels="invalid"),
        show=lambda metadata: "dropped with a warning" if metadata.notes else "",
        here="dropped with a warning",
        there="dropped",
    ),
    Difference(
        rule="annotation levels are checked",
        facts=replace(PUSH, annotation_levels="manifst"),
        inputs=Inputs(tags="a"),
        here=ERROR,
        there="passed on",
    ),
    Difference(
        rule="commas in quotes",
        facts=tag("v12"),
        inputs=Inputs(tags=r'type=match,"pattern=v(\d{1,3})",group=1'),
        here=["12", "latest"],
        there=ERROR,
    ),
    Difference(
        rule="`=` in values",
        inputs=Inputs(tags="{{date 'YYYY' tz='Asia/Tokyo'}}"),
        here=["2024"],
        there=ERROR,
    ),
    Difference(rule="comments", inputs=Inputs(tags="a\n  # b"), here=["a"], there=["a", "-b"]),
    Difference(
        rule="expressions on `latest`",
        inputs=Inputs(tags="a", flavor="latest=true\nsuffix=-{{branch}},onlatest=true"),
        here=["a-main", "latest-main"],
        there=["a-main", "latest--branch-"],
    ),
    Difference(
        rule="no HTML escaping",
        facts=branch("a&b"),
        inputs=Inputs(tags="type=raw,value={{branch}}"),
        here=["a-b"],
        there=["a-amp-b"],
    ),
    Difference(
        rule="expressions in every pattern",
        facts=tag("v1.2.3"),
        inputs=Inputs(tags="type=semver,pattern={{version}}-{{sha}}"),
        here=["1.2.3-860c190", "latest"],
        there=["1.2.3-", "latest"],
    ),
    Difference(rule="expressions of Pixi", inputs=Inputs(tags="a-{{environment}}"), here=["a-gpu"], there=["a-"]),
    Difference(
        rule="`match` without a group",
        facts=tag("p1/v1.2.3"),
        inputs=Inputs(tags=r"type=semver,pattern={{version}},match=\d.\d.\d"),
        here=["1.2.3", "latest"],
        there="a crash",
    ),
    Difference(
        rule="Python's regular expressions",
        facts=tag("v12"),
        inputs=Inputs(tags=r"type=match,pattern=(?<=v+)\d+"),
        here=ERROR,
        there=["12", "latest"],
    ),
    Difference(
        rule="dots in versions",
        facts=tag("1.2+local.1"),
        inputs=Inputs(tags="type=pep440,pattern={{version}}"),
        here=["1.2-local.1", "latest"],
        there=["1.2-local-1", "latest"],
    ),
    Difference(
        rule="facts of the payload alone",
        case="tag/tag14",
        facts=facts_from(
            Event(name="push", ref="refs/tags/sometag", sha=SHA, repository="octocat/Hello-World"),
            commit_date=NOW,
            now=NOW,
            expressions={},
        ),
        inputs=Inputs(tags="type=ref,event=tag"),
        show=label("description"),
        here="left out",
        there=["This your first repo!"],
    ),
    Difference(
        rule="unknown facts are left out",
        case="tag/tag10",
        facts=tag("sometag"),
        inputs=Inputs(tags=r'type=match,"pattern=\d.\d"'),
        show=label("version"),
        here="left out",
        there="empty",
    ),
    Difference(
        rule="labels of one line",
        facts=replace(PUSH, repository=Repository(description="one\n::warning::two")),
        inputs=Inputs(tags="a"),
        show=label("description"),
        here=["one ::warning::two"],
        there="two lines",
    ),
    Difference(
        rule="`created` is the commit's date",
        inputs=Inputs(tags="a"),
        show=label("created"),
        here=["2024-02-29T23:30:00.000Z"],
        there=["2024-03-09T15:04:05.678Z"],
    ),
    Difference(
        rule="the description on the index",
        case="json/json02",
        facts=replace(branch("dev"), repository=CASE_REPOSITORY),
        inputs=Inputs(tags="type=ref,event=branch\ntype=raw,my"),
        show=descriptions,
        here=[f"{level}:{KEY}description=This your first repo!" for level in ("manifest", "index")],
        there=[f"manifest:{KEY}description=This your first repo!"],
    ),
]


def outcome(difference: Difference) -> list[str] | str:
    event = Event(name="push", repository="lab/Analysis")
    try:
        metadata = compute_metadata(event, difference.inputs, difference.facts, difference.published)
    except UserError:
        return ERROR
    return difference.show(metadata) or "none"


def in_words(value: list[str] | str) -> str:
    return value if isinstance(value, str) else ", ".join(f"`{text}`" for text in value)


def rows() -> dict[str, Row]:
    _, _, table = PAGE.read_text("utf-8").partition(f"{HEADER}\n")
    lines = table.partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {rule: Row(*rest) for rule, *rest in cells}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.rule)
def test_each_row_does_what_it_says(difference: Difference) -> None:
    assert outcome(difference) == difference.here
    assert difference.here != difference.there
    row = rows()[difference.rule]
    assert (row.here, row.there) == (in_words(difference.here), in_words(difference.there))
    given = difference.inputs
    for line in f"{given.images}\n{given.tags}\n{given.flavor}\n{given.labels}".split("\n"):
        assert not line or f"`{line.strip()}`" in row.example


def test_each_row_has_its_example_and_each_example_its_row() -> None:
    listed = list(rows())
    assert listed == [*(difference.rule for difference in DIFFERENCES), NO_BAKE_FILES]
    assert all(row.why for row in rows().values())


def test_inputs_of_metadata_action_that_are_not_here() -> None:
    named = rows()[NO_BAKE_FILES].example
    assert named == "`bake-target`, `sep-tags`, `sep-labels`, `sep-annotations`"
    assert not [row.name for row in INPUTS if f"`{row.name}`" in named]

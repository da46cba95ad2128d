"""The documentation says what the code does."""

from __future__ import annotations

import re

import pytest

from pixi_container.errors import EXIT_CODES, UserError
from pixi_container.image.base_images import DEFAULT_PIXI, OLDEST_PIXI
from pixi_container.image.dockerfile import scripts
from pixi_container.input_table import INPUTS
from pixi_container.versions import version_order
from tests.documents import FILES, PIXI_VERSIONS, ROOT, with_tables


@pytest.mark.parametrize("name", FILES)
def test_the_tables_are_current(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text == with_tables(text), "run `python -m tests.documents`"


def test_every_kind_of_error_has_an_exit_code_that_is_documented() -> None:
    kinds = [UserError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    # 0 to 2 are what no error of a user ends with.
    assert {kind.exit_code for kind in kinds} == EXIT_CODES.keys() - {0, 1, 2}


def test_the_versions_of_pixi_are_those_that_the_scripts_tell_apart() -> None:
    minors = re.findall(r"pixi_is_older_than (\d+)", "".join(scripts().values()))
    assert minors
    assert {f"0.{minor}.0" for minor in minors} <= PIXI_VERSIONS.keys()


def test_the_versions_of_pixi_go_from_the_oldest_to_the_default() -> None:
    versions = list(PIXI_VERSIONS)
    assert versions == sorted(versions, key=version_order)
    assert (versions[0], versions[-1]) == (OLDEST_PIXI, DEFAULT_PIXI)


def test_the_readme_names_every_input_once() -> None:
    groups = (
        (ROOT / "README.md").read_text("utf-8").partition("<!-- groups -->")[2].partition("<!-- /groups -->")[0]
    )
    assert sorted(re.findall(r"`([a-z-]+)`", groups)) == sorted(row.name for row in INPUTS)

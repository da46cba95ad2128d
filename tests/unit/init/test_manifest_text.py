"""The manifest with the settings: nothing else in it changes."""

from __future__ import annotations

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.init.manifest_text import settings_text, with_settings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.one_of(TEXT, st.integers(0, 99), st.lists(TEXT, min_size=1), st.dictionaries(TEXT, TEXT, min_size=1))
MANIFEST = '# first\n[workspace]\nname  =  "a"   # odd\n\n[tool.other]\nx = 1\n'


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True), VALUES))
def test_the_settings_are_read_back_as_they_are(
    settings: dict[str, str | int | list[str] | dict[str, str]],
) -> None:
    assert tomli.loads(settings_text(settings))["tool"]["pixi-container"] == settings


@pytest.mark.parametrize("before", [MANIFEST, MANIFEST.rstrip(), MANIFEST + "\n\n\n", ""])
def test_the_table_is_added_at_the_end(before: str) -> None:
    after = with_settings(before, "pixi.toml", {"expose": ["80"]})
    assert after.startswith(before.rstrip())
    assert after.endswith('[tool.pixi-container]\nexpose = ["80"]\n')


def test_a_table_that_is_there_is_replaced_alone() -> None:
    before = (
        MANIFEST
        + "[tool.pixi-container]\nlayers = 3\n[tool.pixi-container.environments.a]\nlayers = 4\n[z]\ny = 1\n"
    )
    after = with_settings(before, "pixi.toml", {"expose": ["80"]})
    assert after.startswith(MANIFEST)
    document = tomli.loads(after)
    assert document["tool"]["pixi-container"] == {"expose": ["80"]}
    assert document["z"] == {"y": 1}


def test_a_manifest_that_cannot_take_a_table_is_left() -> None:
    with pytest.raises(UserError, match="cannot be added") as caught:
        with_settings("tool = { other = 1 }\n", "pixi.toml", {"expose": ["80"]})
    assert 'expose = ["80"]' in caught.value.hint

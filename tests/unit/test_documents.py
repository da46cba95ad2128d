"""The documentation says what the code does."""

from __future__ import annotations

import pytest

from tests.documents import FILES, ROOT, with_tables


@pytest.mark.parametrize("name", FILES)
def test_the_tables_are_current(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text == with_tables(text), "run `python -m tests.documents`"

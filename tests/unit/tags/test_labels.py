from __future__ import annotations

from dataclasses import replace

import pytest

from pixi_container.errors import UserError
from pixi_container.tags import Repository
from pixi_container.tags.labels import annotations_of, labels_of
from tests.unit.tags.events import PUSH, SHA

KEY = "org.opencontainers.image."


def test_labels_from_the_facts() -> None:
    found, _ = labels_of(PUSH, "1.2.3", "")
    assert list(found.items()) == [
        (f"{KEY}created", "2024-02-29T23:30:00.000Z"),
        (f"{KEY}description", "An analysis"),
        (f"{KEY}licenses", "BSD-3-Clause"),
        (f"{KEY}revision", SHA),
        (f"{KEY}source", "https://github.com/lab/Analysis"),
        (f"{KEY}title", "Analysis"),
        (f"{KEY}url", "https://github.com/lab/Analysis"),
        (f"{KEY}version", "1.2.3"),
    ]


def test_what_is_not_known_is_left_out() -> None:
    found, _ = labels_of(replace(PUSH, repository=Repository(), sha=""), "main", "")
    assert list(found) == [f"{KEY}created", f"{KEY}version"]


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\r\n", "\x00", "\x85\u2028", " \ud800 "])
@pytest.mark.parametrize("name", ["labels", "annotations"])
def test_facts_that_say_nothing_are_left_out(name: str, blank: str) -> None:
    repository = Repository(full_name=f"lab/{blank}", html_url=blank, description=blank, licence=blank)
    facts = replace(PUSH, repository=repository, sha=blank)
    assert list(labels_of(facts, "", "", name)[0]) == [f"{KEY}created"]


def test_users_may_empty_a_key() -> None:
    text = f"{KEY}description=\n{KEY}version=\n{KEY}source= {{{{tag}}}}"
    values, _ = labels_of(PUSH, "1", text)
    assert [values[f"{KEY}{key}"] for key in ("description", "version", "source")] == ["", "", " "]
    assert f"index:{KEY}description=" in annotations_of(values, "")


def test_the_users_labels_win_and_may_use_expressions() -> None:
    text = f"""
        # ours
        {KEY}title=My=Title, and a "quote"
        {KEY}created={{{{date 'YYYY-MM-DDTHH:mm:ss.SSS[Z]' tz='UTC'}}}}
        lab.{{{{environment}}}}={{{{branch}}}} & <{{{{cuda}}}}>
        empty=
        spaced = out
        "multi=one
        two"
    """
    found, notes = labels_of(PUSH, "1", text)
    assert not notes
    assert found[f"{KEY}title"] == 'My=Title, and a "quote"'
    assert found[f"{KEY}created"] == "2024-03-09T15:04:05.678Z"
    assert found["lab.gpu"] == "main & <12.4>"
    assert found["empty"] == ""
    assert found["spaced"] == " out"
    assert found["multi"] == "one\ntwo"


def test_keys_are_sorted_as_locale_compare_does() -> None:
    keys = ["q", "b_x", "B-y", "amp", "a.z", "maintainer", "a", "A", "a1", "Maintainer"]
    found, _ = labels_of(PUSH, "1", "\n".join(f"{key}=" for key in keys))
    assert [key for key in found if not key.startswith(KEY)] == [
        "a", "A", "a.z", "a1", "amp", "b_x", "B-y", "maintainer", "Maintainer", "q",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["=value", "a b=c", '"a"b=c'])
def test_entries_that_are_no_labels(text: str) -> None:
    with pytest.raises(UserError, match="input 'labels', line 2: "):
        labels_of(PUSH, "1", f"a=b\n{text}")


def test_an_entry_without_a_value_gives_nothing_but_a_note() -> None:
    found, notes = labels_of(PUSH, "1", "a=b\ninvalid\n{{branch}}")
    assert found["a"] == "b"
    assert not {"invalid", "main"} & found.keys()
    assert [note.partition(":")[0] for note in notes] == ["input 'labels', line 2", "input 'labels', line 3"]


def test_without_levels_the_description_stands_on_the_index_too() -> None:
    key = f"{KEY}description"
    assert annotations_of({"a": "b", key: "text"}, "") == (
        "manifest:a=b",
        f"manifest:{key}=text",
        f"index:{key}=text",
    )


def test_annotations_stand_once_for_each_level() -> None:
    assert annotations_of({"a": "b", "c": ""}, "manifest, index,manifest") == (
        "manifest:a=b",
        "manifest:c=",
        "index:a=b",
        "index:c=",
    )
    assert annotations_of({"a": "b"}, "manifest-descriptor[linux/arm64]") == (
        "manifest-descriptor[linux/arm64]:a=b",
    )


@pytest.mark.parametrize("levels", ["manifst", "index:", "manifest[linux", "manifest[linux]"])
def test_unknown_levels(levels: str) -> None:
    with pytest.raises(UserError, match="unknown annotation level") as caught:
        annotations_of({}, levels)
    assert "manifest-descriptor" in caught.value.hint

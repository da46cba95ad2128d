"""Lists of tags: where the next page is, and that a list has an end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from pixi_container.errors import RegistryUnavailableError
from pixi_container.registry.call import Answer, RegistryCall
from pixi_container.registry.client import Registry
from pixi_container.registry.reference import ImageReference

STUDY = ImageReference("r.example", "lab/study")


class Pages:
    """Stands for the transport: answers each call with a page, and keeps what was asked."""

    def __init__(self, page: Callable[[int], tuple[object, str]]) -> None:
        self._page = page
        self.asked: list[str] = []

    def ask(self, call: RegistryCall) -> Answer:
        tags, link = self._page(len(self.asked))
        self.asked.append(call.path)
        content = tags if isinstance(tags, bytes) else json.dumps({"tags": tags}).encode()
        return Answer(200, "https://r.example", {"link": link} if link else {}, content)

    def tags(self) -> tuple[str, ...]:
        registry = Registry(lambda _: None)
        registry._transport = self  # type: ignore[assignment]
        return registry.get_tags(STUDY)


def endless(pages: Pages) -> None:
    with pytest.raises(RegistryUnavailableError, match="that is too long or never ends") as caught:
        pages.tags()
    assert caught.value.message.startswith("the registry r.example returned a list for r.example/lab/study ")
    assert caught.value.hint == "The limits are 100 pages, 100000 entries and 300 seconds."


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ('<https://elsewhere.example/any?last=a&n=1>; rel="next"', "tags/list?last=a&n=1"),
        ("</v2/x/tags/list?last=a>; rel=next", "tags/list?last=a"),
        ("<?last=a#b?c>; title=x; REL=Next", "tags/list?last=a"),
        ("<?last=a>;rel=nextish", ""),
        ('<?last=a>; rel="prev"', ""),
        ("?last=a; rel=next", ""),
        ("<a>; rel=next", "tags/list?"),
    ],
)
def test_only_the_query_of_the_next_page_counts(link: str, asked: str) -> None:
    pages = Pages(lambda number: (["a"], link) if number == 0 else (["b"], ""))
    assert pages.tags() == (("a", "b") if asked else ("a",))
    assert pages.asked == ["tags/list?n=1000", *([asked] if asked else [])]


@pytest.mark.parametrize(("count", "ends"), [(100, True), (101, False)])
def test_a_list_has_a_hundred_pages(count: int, ends: bool) -> None:
    pages = Pages(lambda number: ([], f"<?n={number}>; rel=next" if number < count - 1 else ""))
    if ends:
        assert pages.tags() == ()
    else:
        endless(pages)
    assert len(pages.asked) == 100


@pytest.mark.parametrize(("count", "ends"), [(100_000, True), (100_001, False)])
def test_a_list_has_a_hundred_thousand_entries(count: int, ends: bool) -> None:
    pages = Pages(lambda _: (["a"] * count, ""))
    if ends:
        assert len(pages.tags()) == count
    else:
        endless(pages)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "ends"), [(16 * 1024**2, True), (16 * 1024**2 + 1, False)])
def test_a_list_has_so_many_bytes(size: int, ends: bool) -> None:
    content = b'{"tags": null}'.ljust(size)
    pages = Pages(lambda number: (content, f"<?n={number}>; rel=next" if number < 2 else ""))
    if ends:
        assert pages.tags() == ()
    else:
        endless(pages)
    assert len(pages.asked) == (3 if ends else 2)


def test_a_list_takes_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def page(number: int) -> tuple[object, str]:
        now[0] += 150.0 if number < 2 else 0.1
        return [], f"<?n={number}>; rel=next" if number < 3 else ""

    pages = Pages(page)
    endless(pages)
    assert len(pages.asked) == 3


def test_what_is_no_tag_is_left_out() -> None:
    listed = ["a", 7, None, "b c", "-x", "a" * 128, "a" * 129, "_"]
    assert Pages(lambda _: (listed, "")).tags() == ("a", "a" * 128, "_")
    assert Pages(lambda _: (None, "")).tags() == ()
    with pytest.raises(RegistryUnavailableError, match="no valid list of the tags"):
        Pages(lambda _: ({}, "")).tags()

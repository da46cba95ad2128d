from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.tags import image_names
from pixi_container.tags.references import sanitised, tag_problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("org/app\nghcr.io/Lab/My-App", ("org/app", "ghcr.io/lab/my-app")),
        ("org/app,ghcr.io/lab/app", ("org/app", "ghcr.io/lab/app")),
        ("name=org/app,enable=true\nname=org/other,enable=false", ("org/app",)),
        ("org/app,enable=false", ()),
        ("org/app\nORG/app", ("org/app",)),
        ("localhost:5000/a__b/c.d/e--f", ("localhost:5000/a__b/c.d/e--f",)),
        ("[::1]:5000/app", ("[::1]:5000/app",)),
        ("ubuntu", ("ubuntu",)),
    ],
)
def test_names(text: str, expected: tuple[str, ...]) -> None:
    assert image_names(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name=,enable=true", "the image has no name"),
        ("enable=true", "the image has no name"),
        ("a,,b", "the image has no name"),
        ("org/app,enable=yes", "enable is 'yes'"),
        ("org/app,nam=x", "unknown image attribute 'nam'"),
        ("name=a,name=b", "attribute 'name' is given twice"),
        ("a,name=b", "the image is named twice"),
        ("org/app:1.2", "'org/app:1.2' has a tag or digest"),
        ("org/app@sha256:12", "'org/app@sha256:12' has a tag or digest"),
        ("org//app", "'org//app' is not a valid image name"),
        ("-org/app", "'-org/app' is not a valid image name"),
        ("org/a___b", "'org/a___b' is not a valid image name"),
        ("https://ghcr.io/a", "'https://ghcr.io/a' is not a valid image name"),
        ("org/" + "a" * 255, "is not a valid image name"),
        ("org/my app", "'org/my app' is not a valid image name"),
    ],
)
def test_errors(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        image_names(f"# images\n{text}")
    assert caught.value.message.startswith("input 'images', line 2: ")
    assert problem in caught.value.message
    assert caught.value.hint


def test_sanitising() -> None:
    assert sanitised("my/branch +ä&b._-x") == "my-branch-b._-x"


@pytest.mark.parametrize(
    ("tag", "problem"),
    [("", "is empty"), (".a", "starts with '.'"), ("-a", "starts with '-'"), ("a" * 129, "has 129 characters")],
)
def test_tags_that_a_registry_refuses(tag: str, problem: str) -> None:
    assert tag_problem(tag).startswith(problem)


@pytest.mark.parametrize("tag", ["_", "a" * 128, "1.2.3-rc.1_x"])
def test_tags_that_a_registry_takes(tag: str) -> None:
    assert not tag_problem(tag)


def test_a_name_has_255_characters() -> None:
    longest = "a" * 123 + "/" + "b" * 127 + "/" + "c" * 3
    assert len(longest) == 255
    assert image_names(longest) == (longest,)
    with pytest.raises(UserError, match="is not a valid image name"):
        image_names(f"{longest}c")

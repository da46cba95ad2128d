from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.tags.flavor import flavor_of
from tests.unit.tags.events import PUSH


@pytest.mark.parametrize(
    ("text", "latest", "prefix", "suffix", "on_latest"),
    [
        ("", "auto", "", "", (False, False)),
        ("latest=false\nprefix=a-\nsuffix=-b", "false", "a-", "-b", (False, False)),
        ("prefix=a-,onlatest=true\nsuffix=-b,onlatest=true", "auto", "a-", "-b", (True, True)),
        ("latest=true,prefix={{branch}}-,suffix=-b,onlatest=true", "true", "main-", "-b", (False, True)),
        ("prefix= \nsuffix=a=b", "auto", "", "a=b", (False, False)),
    ],
)
def test_flavors(text: str, latest: str, prefix: str, suffix: str, on_latest: tuple[bool, bool]) -> None:
    flavor = flavor_of(text)
    assert flavor.latest == latest
    assert (flavor.prefix.render(PUSH), flavor.suffix.render(PUSH)) == (prefix, suffix)
    assert (flavor.prefix_on_latest, flavor.suffix_on_latest) == on_latest


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("randomstr", "unknown flavor 'randomstr'"),
        ("latest", "unknown flavor 'latest'"),
        ("latest=yes", "latest is 'yes'"),
        ("lates=true", "unknown flavor 'lates'"),
        ("prefix=a,onlatest=TRUE", "onlatest is 'TRUE'"),
        ("onlatest=true", "onlatest must follow"),
        ("prefix={{x}}", "unknown expression"),
    ],
)
def test_errors(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        flavor_of(f"# flavor\n{text}")
    assert caught.value.message.startswith(f"input 'flavor', line 2: {problem}")
    assert caught.value.hint

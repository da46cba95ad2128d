"""What an environment was solved with beside what the manifest has: channels, options, indexes and platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixi_container.workspace import stale_lock
from tests.unit.workspace.locked_workspace import CHANNEL, ENVIRONMENT, LOCK, MANIFEST, reasons

if TYPE_CHECKING:
    from pathlib import Path

START = "the lock is not up to date: "
CHANNELS = f"    channels:\n    - url: {CHANNEL}/\n"
INDEXES = "    indexes:\n    - https://pypi.org/simple\n"
HOST = "https://conda.anaconda.org"


def told(folder: Path, manifest: str, lock: str = LOCK, pixi: str = "") -> list[tuple[str, int | None]]:
    """Return each reason, without what all of them begin with, and its line of the manifest."""
    known = reasons(folder, manifest, lock, pixi)
    assert all(reason.message.startswith(START) for reason in known)
    return [(reason.message.removeprefix(START), reason.line) for reason in known]


def solved(key: str, locked: str, wanted: str, environment: str = "default") -> str:
    return f"environment '{environment}' was solved with the {key} {locked}; the manifest has {wanted}"


@pytest.mark.parametrize(
    ("channels", "locked", "wanted"),
    [
        pytest.param('"conda-forge"', "conda-forge", "", id="a name"),
        pytest.param(f'"{CHANNEL}"', "conda-forge", "", id="its URL"),
        pytest.param('{ channel = "conda-forge" }', "conda-forge", "", id="a table"),
        pytest.param('"a/label/b.c-d_e"', "a/label/b.c-d_e", "", id="a label"),
        pytest.param('"a", "b"', "b a", f"{HOST}/a, {HOST}/b", id="another order"),
        pytest.param('"a", "b"', "a", f"{HOST}/a, {HOST}/b", id="one more"),
        pytest.param('"a"', "a b", f"{HOST}/a", id="one less"),
        pytest.param('"a", { channel = "b", priority = 1 }', "b a", "", id="the preferred one first"),
        pytest.param('"a", { channel = "b", priority = -1 }', "a b", "", id="the least preferred one last"),
        pytest.param('{ channel = "b", priority = 0 }, "a"', "b a", "", id="the first one of equals"),
        pytest.param('"a", "b", "a"', "a b", "", id="one twice"),
        pytest.param('"http://h:80/a-b/c~d+e"', "http://h:80/a-b/c~d+e", "", id="a port and a path"),
        pytest.param(f'"conda-forge", "{CHANNEL}"', "a", "", id="one by its name and its URL"),
        pytest.param('"https://h/x?token=1"', "a", "", id="a URL that may be shown otherwise"),
        pytest.param('"https://user@h/x"', "a", "", id="a URL with a user"),
        pytest.param('"file:///x"', "a", "", id="a folder"),
        pytest.param('"-a"', "a", "", id="no name of a channel"),
        pytest.param('"https://h"', "https://g", "https://h", id="a host alone"),
    ],
)
def test_the_channels_of_an_environment(tmp_path: Path, channels: str, locked: str, wanted: str) -> None:
    urls = [name if ":" in name else f"{HOST}/{name}" for name in locked.split()]
    lines = "".join(f"    - url: {url}/\n" for url in urls)
    manifest = MANIFEST.replace('["conda-forge"]', f"[{channels}]")
    known = told(tmp_path, manifest, LOCK.replace(CHANNELS, f"    channels:\n{lines}"))
    assert known == ([(solved("channels", ", ".join(urls), wanted), 2)] if wanted else [])


@pytest.mark.parametrize("other", ["[[1]]", "[{ channel = 1 }]", '[{ channel = "a", priority = "1" }]'])
def test_channels_that_only_pixi_can_refuse_are_no_reason(tmp_path: Path, other: str) -> None:
    assert told(tmp_path, MANIFEST.replace('["conda-forge"]', other)) == []


def test_a_feature_with_channels_of_its_own_adds_them_to_those_of_the_workspace(tmp_path: Path) -> None:
    feature = '[feature.a]\nchannels = ["b"]\n[environments]\ndefault = ["a"]\n'
    lock = LOCK.replace(CHANNELS, f"    channels:\n    - url: {HOST}/b/\n    - url: {CHANNEL}/\n")
    assert told(tmp_path, MANIFEST + feature, lock) == []
    line = MANIFEST.count("\n") + 2
    assert told(tmp_path, MANIFEST + feature) == [(solved("channels", CHANNEL, f"{HOST}/b, {CHANNEL}"), line)]
    plain = feature.replace('channels = ["b"]\n', "")
    assert told(tmp_path, MANIFEST + plain, lock) == [(solved("channels", f"{HOST}/b, {CHANNEL}", CHANNEL), 2)]


def test_channels_that_differ_within_a_solve_group_are_left_to_pixi(tmp_path: Path) -> None:
    feature = '[feature.a]\nchannels = ["b"]\n[environments]\n'
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{ENVIRONMENT}")
    alone = MANIFEST + feature + 'more = ["a"]\n'
    assert len(told(tmp_path, alone, lock)) == 1
    together = f'{MANIFEST}{feature}more = {{ features = ["a"], solve-group = "g" }}\n'
    assert len(told(tmp_path, together, lock)) == 1
    assert told(tmp_path, f'{together}default = {{ solve-group = "g" }}\n', lock) == []


def with_options(options: str) -> str:
    return LOCK.replace(INDEXES, f"{INDEXES}    options:\n{options}")


STRATEGIES = {"highest": "highest", "lowest": "lowest-version", "lowest-direct": "lowest-version-direct"}
PRIORITIES = {"strict": "strict", "flexible": "flexible", "disabled": "disabled"}


@pytest.mark.parametrize(
    ("key", "value", "locked_key", "values"),
    [
        *(("solve-strategy", value, "strategy", STRATEGIES) for value in STRATEGIES),
        *(("channel-priority", value, "channel-priority", PRIORITIES) for value in PRIORITIES),
    ],
)
def test_each_option_of_the_solver_is_compared(
    tmp_path: Path, key: str, value: str, locked_key: str, values: dict[str, str]
) -> None:
    default, wanted = next(iter(values.values())), values[value]
    manifest = MANIFEST.replace("[dependencies]", f'{key} = "{value}"\n[dependencies]')
    for locked in values.values():
        known = told(tmp_path, manifest, with_options(f"      {locked_key}: {locked}\n"))
        assert known == ([] if locked == wanted else [(solved(key, locked, wanted), 5)])
    known = told(tmp_path, manifest)
    assert known == ([] if wanted == default else [(solved(key, default, wanted), 5)])
    assert told(tmp_path, manifest, pixi="0.70.3") == []
    known = told(tmp_path, MANIFEST, with_options(f"      {locked_key}: {wanted}\n"))
    assert known == ([] if wanted == default else [(solved(key, wanted, default), 1)])


@pytest.mark.parametrize("key", ["solve-strategy", "channel-priority"])
def test_an_option_of_a_newer_pixi_is_no_reason(tmp_path: Path, key: str) -> None:
    assert told(tmp_path, MANIFEST.replace("[dependencies]", f'{key} = "new"\n[dependencies]')) == []


def test_features_that_disagree_about_an_option_are_left_to_pixi(tmp_path: Path) -> None:
    features = '[feature.a]\nsolve-strategy = "lowest"\n[feature.b]\nsolve-strategy = "lowest-direct"\n'
    environments = '[environments]\ndefault = ["a", "b"]\n'
    assert told(tmp_path, MANIFEST + features + environments) == []
    agreed = features.replace("lowest-direct", "lowest")
    line = MANIFEST.count("\n") + 2
    wanted = solved("solve-strategy", "highest", "lowest-version")
    assert told(tmp_path, MANIFEST + agreed + environments) == [(wanted, line)]


@pytest.mark.parametrize(
    ("options", "locked", "wanted"),
    [
        pytest.param("", "https://pypi.org/simple", "", id="the default"),
        pytest.param("", "https://PyPI.org/Simple", "", id="capital letters"),
        pytest.param("", "https://pypi.org/simple/", "https://pypi.org/simple", id="a slash at the end"),
        pytest.param('index-url = "https://h"', "https://h/", "", id="a slash after the host"),
        pytest.param('index-url = "https://h/a"', "https://pypi.org/simple", "https://h/a", id="another"),
        pytest.param(
            'extra-index-urls = ["https://h/a"]',
            "https://pypi.org/simple",
            "https://pypi.org/simple, https://h/a",
            id="one more",
        ),
        pytest.param(
            'extra-index-urls = ["https://h/a"]', "https://h/a https://pypi.org/simple", "", id="another order"
        ),
        pytest.param(
            'index-url = "https://h/a"\nextra-index-urls = ["https://h/a"]', "https://h/a", "", id="one twice"
        ),
        pytest.param('index-url = "https://u:p@h/a"', "https://h/a", "", id="one that may be shown otherwise"),
        pytest.param('index-url = "https://h/a"', "https://u:p@h/a", "", id="one that is locked with a password"),
    ],
)
def test_the_indexes_of_pypi(tmp_path: Path, options: str, locked: str, wanted: str) -> None:
    manifest = MANIFEST + (f"[pypi-options]\n{options}\n" if options else "")
    lines = "".join(f"    - {url}\n" for url in locked.split())
    known = told(tmp_path, manifest, LOCK.replace(INDEXES, f"    indexes:\n{lines}"))
    reason = solved("index-url", ", ".join(locked.split()), wanted)
    assert [message for message, _ in known] == ([reason] if wanted else [])


def test_indexes_are_those_of_the_whole_solve_group(tmp_path: Path) -> None:
    feature = '[feature.a.pypi-options]\nindex-url = "https://h/a"\n[environments]\nmore = '
    two = LOCK.replace("environments:\n", f"environments:\n  more:\n{ENVIRONMENT}")
    alone = f'{MANIFEST}{feature}["a"]\n'
    other = solved("index-url", "https://pypi.org/simple", "https://h/a", "more")
    assert [message for message, _ in told(tmp_path, alone, two)] == [other]
    group = f'{MANIFEST}{feature}{{ features = ["a"], solve-group = "g" }}\ndefault = {{ solve-group = "g" }}\n'
    assert told(tmp_path, group, two.replace("https://pypi.org/simple", "https://h/a")) == []
    assert {message for message, _ in told(tmp_path, group, two)} == {other, other.replace("more", "default")}


def test_two_primary_indexes_are_left_to_pixi(tmp_path: Path) -> None:
    own = '[pypi-options]\nindex-url = "https://h/a"\n[feature.a.pypi-options]\nindex-url = "https://h/b"\n'
    assert told(tmp_path, f'{MANIFEST}{own}[environments]\ndefault = ["a"]\n') == []
    assert len(told(tmp_path, MANIFEST + own)) == 1


def test_an_index_does_not_count_where_nothing_is_asked_of_pypi(tmp_path: Path) -> None:
    conda, _, _ = MANIFEST.partition("[pypi-dependencies]")
    manifest = conda + '[pypi-options]\nindex-url = "https://h/a"\n'
    assert not any("index-url" in message for message, _ in told(tmp_path, manifest))
    assert any(
        "index-url" in message for message, _ in told(tmp_path, f'{manifest}[pypi-dependencies]\na = "*"\n')
    )


GPU = '{ name = "gpu", platform = "linux-64", cuda = "12" }'


def with_platform(name: str, *virtual: str) -> str:
    """Return the lock with one platform."""
    packages = "".join(f"  - {package}\n" for package in virtual)
    row = f"- name: {name}\n  subdir: linux-64\n" + (f"  virtual-packages:\n{packages}" if packages else "")
    lock = LOCK.replace("version: 6\n", f"version: 7\nplatforms:\n{row}")
    return lock.replace("      linux-64:\n", f"      {name}:\n")


@pytest.mark.parametrize(
    ("wanted", "locked", "reason"),
    [
        pytest.param(GPU, with_platform("gpu", "__cuda=12"), "", id="the same"),
        pytest.param(GPU, with_platform("p1", "__cuda=12"), "", id="the same under another name"),
        pytest.param(GPU, with_platform("linux-64", "__cuda=12"), "", id="the same under the name of conda"),
        pytest.param(
            GPU,
            with_platform("gpu", "__cuda=11"),
            solved("platforms", "gpu, __cuda=11", "gpu, __cuda=12"),
            id="another version",
        ),
        pytest.param(
            GPU,
            with_platform("gpu"),
            solved("platforms", "gpu", "gpu, __cuda=12"),
            id="nothing of the machine",
        ),
        pytest.param(
            GPU,
            with_platform("gpu", "__cuda=12", "__glibc=2.40"),
            solved("platforms", "gpu, __cuda=12, __glibc=2.40", "gpu, __cuda=12"),
            id="more of the machine",
        ),
        pytest.param('"linux-64"', with_platform("linux-64"), "", id="conda's platform"),
        pytest.param('"linux-64"', with_platform("linux-64", "__glibc=2.28"), "", id="pixi's defaults"),
        pytest.param(
            '"linux-64"',
            with_platform("linux-64", "__cuda=12"),
            solved("platforms", "linux-64, __cuda=12", "linux-64"),
            id="more than conda's platform",
        ),
    ],
)
def test_what_the_machine_has_to_offer(tmp_path: Path, wanted: str, locked: str, reason: str) -> None:
    known = told(tmp_path, MANIFEST.replace('"linux-64"', wanted), locked)
    assert known == ([(reason, 3)] if reason else [])


@pytest.mark.parametrize(
    ("locked", "checked"),
    [
        pytest.param(with_platform("gpu", "__cuda=12"), True, id="by name"),
        pytest.param(with_platform("p1", "__cuda=12"), True, id="by what it asks of the machine"),
        pytest.param(with_platform("linux-64", "__cuda=12"), True, id="by conda's name, and as much"),
        pytest.param(with_platform("linux-64", "__cuda=12", "__glibc=2.40"), True, id="by conda's name, and more"),
        pytest.param(LOCK, True, id="by conda's name alone"),
        pytest.param(with_platform("linux-64", "__glibc=2.40"), False, id="by conda's name, but less"),
        pytest.param(with_platform("p1"), False, id="by neither"),
    ],
)
def test_which_locked_packages_are_those_of_a_platform(tmp_path: Path, locked: str, checked: bool) -> None:
    manifest = MANIFEST.replace('"linux-64"', GPU).replace("ninja =", "cmake =")
    missing = "environment 'default' on gpu: the conda package cmake, which the manifest requires, is not locked"
    assert (missing in [message for message, _ in told(tmp_path, manifest, locked)]) is checked


def test_platforms_and_options_count_from_the_version_of_pixi_that_compares_them(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('"linux-64"', GPU)
    lock = with_platform("gpu", "__cuda=11")
    assert told(tmp_path, manifest, lock, "0.70.99") == []
    for pixi in ("0.71", "0.71.0", "1.0", ""):
        assert len(told(tmp_path, manifest, lock, pixi)) == 1


def test_a_platform_without_packages_is_missing_only_where_some_are_required(tmp_path: Path) -> None:
    two = MANIFEST.replace('["linux-64"]', '["linux-64", "osx-64"]')
    missing = ("environment 'default' on osx-64 is missing", 3)
    assert told(tmp_path, two) == [missing]
    bare = '[workspace]\nchannels = ["conda-forge"]\nplatforms = ["osx-64"]\n'
    lock = f"version: 6\nenvironments:\n  default:\n{CHANNELS}    packages: {{}}\npackages: []\n"
    assert told(tmp_path, bare, lock) == []
    assert told(tmp_path, f'{bare}[dependencies]\n__osx = "*"\n', lock) == []
    assert told(tmp_path, f'{bare}[dependencies]\n"_x" = "*"\n', lock) == [missing]


def test_environments_that_are_not_in_both(tmp_path: Path) -> None:
    manifest = f"{MANIFEST}[environments]\nmore = []\n"
    line = MANIFEST.count("\n") + 2
    assert told(tmp_path, manifest) == [("environment 'more' is missing", line)]
    assert told(tmp_path, manifest, pixi="0.50.0") == [("environment 'more' is missing", line)]
    lock = LOCK.replace("environments:\n", f"environments:\n  old:\n{ENVIRONMENT}  older:\n{ENVIRONMENT}")
    unknown = "it has environments that the manifest does not have: old, older"
    assert told(tmp_path, manifest, lock) == [("environment 'more' is missing", line), (unknown, line - 1)]


def test_a_build_that_differs_within_a_solve_group_is_named_by_platform(tmp_path: Path) -> None:
    manifest = f'{MANIFEST}[environments]\ndefault = {{ solve-group = "g" }}\nmore = {{ solve-group = "g" }}\n'
    other = ENVIRONMENT.replace("colorama-0.4.6", "colorama-0.4.5")
    lock = LOCK.replace("environments:\n", f"environments:\n  more:\n{other}")
    start = LOCK.index("\n- pypi: ") + 1
    record = LOCK[start : LOCK.index("- pypi: ", start + 1)]
    lock = lock.replace(record, record.replace("0.4.6", "0.4.5") + record)
    reason = "the environments of solve group 'g' have different builds of colorama on linux-64"
    assert told(tmp_path, manifest, lock) == [(reason, None)]
    assert told(tmp_path, manifest, lock, "0.70.3") == []
    assert told(tmp_path, manifest.replace('"g" }\nmore', '"h" }\nmore'), lock) == []


def test_a_manifest_that_pixi_would_refuse_ends_the_comparison(tmp_path: Path) -> None:
    assert told(tmp_path, MANIFEST.replace('["linux-64"]', '["linux-64", "linux-64"]')) == []
    assert told(tmp_path, f'{MANIFEST}[environments]\ndefault = ["unheard-of"]\n') == []


@pytest.mark.parametrize("limit", ["_MOST_STEPS", "_MOST_REQUIREMENTS"])
def test_a_comparison_over_its_limits_gives_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    manifest = MANIFEST.replace("3.11", "3.12")
    assert len(told(tmp_path, manifest)) == 1
    monkeypatch.setattr(stale_lock, limit, 1)
    assert told(tmp_path, manifest) == []


def test_a_list_of_channels_counts_against_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = ", ".join(f'"c{number}"' for number in range(500))
    manifest = MANIFEST.replace('"conda-forge"', many)
    assert any("channels" in message for message, _ in told(tmp_path, manifest))
    monkeypatch.setattr(stale_lock, "_MOST_STEPS", 400)
    assert told(tmp_path, manifest) == []


@pytest.mark.parametrize("limit", [5, 20, 80, 320, 1280])
def test_a_comparison_that_ends_early_never_invents_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    manifest = MANIFEST.replace("3.11", "3.12").replace(">=4,<5", ">=5")
    whole = told(tmp_path, manifest)
    assert len(whole) == 2
    monkeypatch.setattr(stale_lock, "_MOST_STEPS", limit)
    assert set(told(tmp_path, manifest)) <= set(whole)


def test_a_feature_without_content_has_the_channels_of_the_workspace(tmp_path: Path) -> None:
    environments = '[feature.a]\n[environments]\nmore = { features = ["a"], no-default-feature = true }\n'
    more = f"  more:\n{CHANNELS}    packages: {{}}\n"
    assert told(tmp_path, MANIFEST + environments, LOCK.replace("environments:\n", f"environments:\n{more}")) == []
    other = more.replace("conda-forge", "other")
    known = told(tmp_path, MANIFEST + environments, LOCK.replace("environments:\n", f"environments:\n{other}"))
    assert known == [(solved("channels", f"{HOST}/other", CHANNEL, "more"), 2)]

"""A few kilobytes of a checkout cost little time and memory: each run ends in a plan or in one clear error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from pixi_container.errors import UserError
from pixi_container.image.template import render_apart
from pixi_container.workspace.lock_text import check_lock_text
from tests.security.hostile_workspaces import (
    CONDA_PACKAGE,
    MANIFEST,
    depends,
    local_packages,
    lock,
    python_lock,
    source_chain,
)
from tests.security.limited import Outcome, outcomes


def pairs(count: int, name: str = "") -> str:
    """Return a marker whose decision diagram has two to the power of `count` nodes."""
    return " or ".join(f"extra=='a{name}{i:02}' and extra=='b{name}{i:02}'" for i in range(count))


def parts(count: int, lines: int, *, header: bool = False) -> str:
    """Return lines of TOML with dotted keys of so many parts."""
    keys = (".".join([f"b{number}", *["a"] * (count - 1)]) for number in range(lines))
    return "".join(f"[{key}]\n" if header else f"{key} = 1\n" for key in keys)


def strings(name: str, count: int) -> str:
    """Return a list of TOML."""
    return json.dumps([f"{name}{number}" for number in range(count)])


LOCKS = {
    "one long specification": (depends("__cuda " + "|".join([">=12"] * 10_000)), "a line has 50010 characters"),
    "long specifications": (depends(*["__cuda " + "|".join([">=12"] * 780)] * 800), ""),
    "long versions": (depends(*["__glibc >=" + "1." * 1900 + "1"] * 800), ""),
    "a deep flow collection": (depends("[" * 4000), "Pixi would not write this line"),
    "a deep flow collection on one long line": (depends("[" * 100_000), "a line has 100004 characters"),
    "deep lines": (
        "version: 6\n" + "".join(" " * i + "a:\n" for i in range(2000)),
        "Pixi would not write this line",
    ),
    "lists in lists": ("version: 6\nx:\n" + "- " * 1000 + "a\n", "Pixi would not write this line"),
    "keys in keys": ("version: 6\n" + "? " * 1000 + "a\n", "Pixi would not write this line"),
    "aliases": ("version: 6\na: &a x\nb: *a\n", "Pixi would not write this line"),
    "a marker with every combination": (python_lock([f"a ; {pairs(24)}"]), "too many conditions"),
    "markers with some combinations": (python_lock(f"a ; {pairs(4, str(n))}" for n in range(4000)), "conditions"),
    "a hidden marker": (python_lock([f'"a \\x3b {pairs(24)}"']), "Pixi would not write this line"),
    "a deep marker": (python_lock(["a ; " + "(" * 2000 + "extra=='a'" + ")" * 2000]), "too many conditions"),
    "a very deep marker": (
        python_lock(["a ; " + "(" * 16_000 + "extra=='a'" + ")" * 16_000]),
        "a line has 32018 characters",
    ),
    "many requirements in a line": (python_lock(["a" + ",".join([">=3"] * 900)] * 400), "300000"),
    "many lines": (lock() + "\n" * 1_000_000, "300000"),
    "many references": (lock("      - pypi: a\n" * 310_000), "lines or entries"),
    "many packages": (lock(packages="- conda: a\n" * 60_000), "50000 packages"),
    "many platforms": (
        "version: 7\nplatforms:\n"
        + "".join(f"- name: p{i}\n  subdir: linux-64\n" for i in range(49_000))
        + "environments:\n  default:\n    channels: []\n    packages:\n"
        + "".join(f"      p{i}: []\n" for i in range(49_000))
        + "packages: []\n",
        "1000 platforms",
    ),
    "many environments": (
        "version: 6\nenvironments:\n"
        + "".join(f"  e{i}:\n    channels: []\n    packages: {{}}\n" for i in range(30_000))
        + "packages: []\n",
        "has no environment 'default'; it has e0, ",
    ),
    "a number of many digits": (lock(packages=f"{CONDA_PACKAGE}  size: {'9' * 4000}\n"), "cannot be read"),
    "a key twice": (lock() + "packages: []\n", "duplicate entry"),
    "local packages": (local_packages(600), ""),
    "very many local packages": (local_packages(6000), "the limit is 5000"),
    "a chain of local packages": (source_chain(1600), "too many other local folders"),
    "a panic of the parser": (python_lock(["'1.0.*'"]), "cannot be read"),
}
"""Locks, and a part of the error; without one a plan may be made."""

STARS = MANIFEST.replace('["linux-64"]', f'[{{name = "{"a" * 300}", platform = "linux-64"}}]')
MANIFESTS = {
    "deep TOML": ("a = " + "[" * 200_000, "not valid TOML"),
    "dotted keys": (MANIFEST + parts(900, 200), "a key of more than 20 parts"),
    "a dotted key in a table": (MANIFEST + "x = {" + ".".join(["a"] * 900) + " = 1}\n", "more than 20 parts"),
    "long headers": (MANIFEST + parts(900, 200, header=True), "more than 20 parts"),
    "headers": (MANIFEST + parts(19, 10_000, header=True), ""),
    "a large manifest": (MANIFEST + "#\n" * 300_000, "larger than the limit of 524288 bytes"),
    "a long integer": (MANIFEST + f"[system-requirements]\ncuda = 0x{'f' * 200_000}\n", "more than 64 bits"),
    "a long requires-pixi": (MANIFEST + f'requires-pixi = "{"(" * 100_000}"\n', "100000 characters long"),
    "many alternatives": (MANIFEST + f'requires-pixi = "{"|".join([">=1"] * 30_000)}"\n', "characters long"),
    "many environments of many features": (
        MANIFEST
        + "".join(f"[feature.f{i}]\n" for i in range(800))
        + "[environments]\n"
        + "".join(f"e{i} = {strings('f', 800)}\n" for i in range(80)),
        "",
    ),
    "an environment of many features": (
        MANIFEST
        + "".join(f"[feature.f{i}]\n" for i in range(14_000))
        + f"[environments]\ndefault = {strings('f', 14_000)}\n",
        "",
    ),
    "a feature twice": (MANIFEST + '[feature.f]\n[environments]\ne = ["f", "f"]\n', "lists the feature 'f' twice"),
    "many environments": (MANIFEST + "[environments]\n" + "".join(f"e{i} = []\n" for i in range(40_000)), ""),
    "a long name": (
        MANIFEST + f'[environments]\n{"e" * 200_000} = ["{"f" * 200_000}"]\n',
        "which the manifest does not declare",
    ),
    "a long feature": (MANIFEST + f'[feature.{"f" * 400_000}]\nplatforms = ["x"]\n', "supports the platform 'x'"),
    "a long key of the wrong type": (MANIFEST + f"[activation.env]\n{'E' * 400_000} = 1\n", "must be a string"),
    "a platform many times": (MANIFEST + "[feature.f]\nplatforms = [" + '"linux-64",' * 40_000 + "]\n", ""),
    "many platforms": (
        MANIFEST.replace(
            '"linux-64"', ", ".join(f'{{name = "p{i}", platform = "linux-64"}}' for i in range(9000))
        ),
        "9000 platforms; the limit is 200",
    ),
    "a pattern of many stars": (f'{STARS}[target."{"*a" * 200}*b".activation]\nscripts = []\n', ""),
    "many scripts": (MANIFEST + f"[activation]\nscripts = {strings('s', 10_000)}\n", ""),
    "a long version of CUDA": (
        MANIFEST + f'[system-requirements]\ncuda = "{"1" * 400_000}"\n',
        "not a CUDA version",
    ),
}
"""Manifests, and a part of the error."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """How the command ended on each of them."""
    top = tmp_path_factory.mktemp("cost")
    texts = {f"lock: {name}": (MANIFEST, text) for name, (text, _) in LOCKS.items()}
    texts |= {f"manifest: {name}": (text, lock()) for name, (text, _) in MANIFESTS.items()}
    runs = []
    for number, (manifest, locked) in enumerate(texts.values()):
        folder = top / str(number)
        folder.mkdir()
        (folder / "pixi.toml").write_text(manifest)
        (folder / "pixi.lock").write_text(locked)
        runs.append(["plan", "--offline", "--context", str(folder)])
    return dict(zip(texts, outcomes(runs), strict=True))


def check(outcome: Outcome, message: str) -> None:
    if message:
        assert message in outcome.error
    else:
        outcome.check()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_costs_little(ended: Mapping[str, Outcome], name: str) -> None:
    check(ended[f"lock: {name}"], LOCKS[name][1])


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_costs_little(ended: Mapping[str, Outcome], name: str) -> None:
    check(ended[f"manifest: {name}"], MANIFESTS[name][1])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 6\nx: [1]\n", 2),
        ("version: 6\nx:\n- {a: 1}\n", 3),
        ("a: !!str b\n", 1),
        ("a: b\n---\na: c\n", 2),
        ("%YAML 1.2\n", 1),
        ("a: 'not closed\n", 1),
        ("a: b\n  c\n", 2),
        ("- a: |-\n  b: [\n", 2),
        ("a: |\n    b\n  [\n", 3),
        ("a: |\n  b\x85[\n", 2),
        ("# b\r[\n", 1),
        ("a: b\x85c: [\n", 1),
        ("a:\t[\n", 1),
    ],
)
def test_what_no_pixi_writes_is_told_with_its_line_and_not_quoted(text: str, line: int) -> None:
    with pytest.raises(UserError, match="Pixi would not write this line") as caught:
        check_lock_text(text, "pixi.lock")
    assert (caught.value.file, caught.value.line) == ("pixi.lock", line)


def test_every_form_of_a_lock_is_accepted() -> None:
    check_lock_text(
        "# comment\nversion: 6\nenvironments:\n  'a b':\n    packages: {}\n    x: []\n\npackages:\n"
        "- conda: https://a.b/c-1.conda\n  depends:\n  - python >=3.11,<3.12.0a0 *_cpython\n  - 'it''s: quoted'\n"
        '  license: "a\\nb \\"c\\" \\u2028"\n  summary: |-\n    [text {of\n\n      lines: |\n  é: naïve#1 -x ?y\n'
        "- pypi: ./a\n  requires_dist:\n  - b[c]>=1 ; (extra == 'd' and os_name == 'nt') or extra == 'e'\n"
        "- - nested\n",
        "pixi.lock",
    )


TEMPLATES = {
    "{% for a in range(9999) %}" * 3 + "{% endfor %}" * 3: "more than 2 seconds",
    "{{ 'a' * 10 ** 10 }}": "more than 256 MB",
    "{{ '%1000000000d' % 1 }}": "more than 256 MB",
    "{{ ''.join(['a' * 1000000] * 1000) }}": "more than 256 MB",
    "{{ 'a' * 5000000 }}": "longer than",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}": "nested too deeply",
    "{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}": "nested too deeply",
    "{% include '/etc/passwd' %}": "no loader",
    "{% import '/etc/passwd' as a %}": "no loader",
    "{{ '\\ud800' }}": "surrogates",
    "{{ ''.__class__.__mro__ }}": "unsafe",
    "{{ 1 / 0 }}": "division by zero",
    "a\n{{ nothing }}": "'nothing' is undefined",
    "a\nb\n{% if %}": "(line 3)",
    "{{ 2 ** 100000 }}": "digits",
    "{{ " + "a" * 1_000_000 + " }}": "aaa",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template[:20])
def test_a_template_that_takes_too_much_is_one_error(template: str) -> None:
    with pytest.raises(
        UserError, match=f"the template cannot be rendered: .*{re.escape(TEMPLATES[template])}"
    ) as caught:
        render_apart(template, {})
    assert len(str(caught.value)) < 1000
    assert "docs/template.md" in caught.value.hint


def test_a_template_knows_neither_the_environment_nor_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jinja2.py").write_text("raise SystemExit('imported')")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "jinja2.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert render_apart("{{ a.b }} é\n", {"a": {"b": 1}}) == "1 é\n"

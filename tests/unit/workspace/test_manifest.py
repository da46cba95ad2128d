"""The manifest: Pixi's rules for environments, platforms, requirements and activation, a case for each rule."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import tomli
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.shortening import listed, shortened
from pixi_container.workspace.feature import _matches
from pixi_container.workspace.manifest import Manifest, manifest_from, read_manifest
from pixi_container.workspace.platforms import SUBDIRS, Platform, environment_platforms, parse_virtual_packages
from pixi_container.workspace.toml_table import TomlTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.conftest import Folder

LINUX = ("linux-64", "linux-64")


def parsed(text: str, name: str = "pixi.toml") -> Manifest:
    return manifest_from(name, TomlTable(tomli.loads(text), name, text))


def platforms(text: str, environment: str = "default") -> dict[str, list[str]]:
    manifest = parsed(text)
    platforms = environment_platforms(manifest, manifest.environment(environment))
    return {platform.name: [str(package) for package in platform.virtual_packages] for platform in platforms}


def refused(text: str, environment: str = "default") -> UserError:
    with pytest.raises(UserError) as caught:
        platforms(text, environment)
    return caught.value


TWO = '[workspace]\nplatforms = ["linux-64", "osx-arm64"]\n'
RICH = """
[workspace]
platforms = [
  { name = "gpu-linux", platform = "linux-64", cuda = "12.4" },
  "linux-64",
  { platform = "linux-aarch64", cuda = "12" },
  "linux-aarch64",
]
"""


@pytest.mark.parametrize(
    ("rule", "text", "environment", "expected"),
    [
        ("bare platforms are the subdirs", TWO, "default", {"linux-64": [], "osx-arm64": []}),
        (
            "an environment has the platforms that every feature supports",
            TWO
            + """
            [feature.a]
            platforms = ["linux-64", "osx-arm64"]
            [feature.b]
            platforms = ["osx-arm64"]
            [environments]
            both = ["a", "b"]
            """,
            "both",
            {"osx-arm64": []},
        ),
        (
            "a feature without platforms supports all",
            TWO + '[feature.a.dependencies]\nx = "*"\n[environments]\nan = ["a"]',
            "an",
            {"linux-64": [], "osx-arm64": []},
        ),
        (
            "a valid subdir that only a feature names joins the workspace's list",
            TWO + '[feature.a]\nplatforms = ["linux-aarch64"]\n[environments]\nan = ["a"]',
            "an",
            {"linux-aarch64": []},
        ),
        (
            "and so the environments without that feature have it too",
            TWO + '[feature.a]\nplatforms = ["linux-aarch64"]\n[environments]\nan = ["a"]',
            "default",
            {"linux-64": [], "osx-arm64": [], "linux-aarch64": []},
        ),
        (
            "system requirements hold on the systems they apply to: no cuda on osx, glibc on linux only",
            (
                '[workspace]\nplatforms = ["linux-64", "osx-arm64", "win-64"]\n'
                '[system-requirements]\ncuda = "12.4"\nlibc = "2.34"\nmacos = "14.0"\nlinux = "5.10"'
            ),
            "default",
            {
                "linux-64-cuda-12-4-glibc-2-34-linux-5-10": ["__cuda=12.4", "__glibc=2.34", "__linux=5.10"],
                "osx-arm64-macos-14-0": ["__osx=14.0"],
                "win-64-cuda-12-4": ["__cuda=12.4"],
            },
        ),
        (
            "a requirement equal to what is assumed anyway makes no platform of its own",
            TWO + '[system-requirements]\nlibc = "2.28"\nlinux = "4.18.0"\nmacos = "13.0"',
            "default",
            {"linux-64": [], "osx-arm64": []},
        ),
        (
            "of the requirements of several features the highest version of each wins",
            TWO
            + """
            [system-requirements]
            cuda = "12"
            libc = { family = "glibc", version = "2.17" }
            [feature.a]
            platforms = ["linux-64"]
            system-requirements = { cuda = "12.10" }
            [feature.b.system-requirements]
            cuda = "12.9"
            [environments]
            ab = ["a", "b"]
            """,
            "ab",
            {"linux-64-cuda-12-10-glibc-2-17": ["__cuda=12.10", "__glibc=2.17"]},
        ),
        (
            "without the default feature its requirements do not count",
            TWO
            + """
            [system-requirements]
            cuda = "12"
            [feature.a]
            platforms = ["linux-64"]
            [environments]
            alone = { features = ["a"], no-default-feature = true }
            """,
            "alone",
            {"linux-64": []},
        ),
        (
            "archspec is no longer used",
            TWO + '[system-requirements]\narchspec = "x86_64"',
            "default",
            {"linux-64": [], "osx-arm64": []},
        ),
        (
            "musl is another package than glibc",
            (
                '[workspace]\nplatforms = ["linux-64"]\n'
                '[system-requirements]\nlibc = { family = "musl", version = "1.2" }'
            ),
            "default",
            {"linux-64-musl-1-2": ["__musl=1.2"]},
        ),
        (
            "rich platforms keep the order of declaration, and are named after what they require",
            RICH,
            "default",
            {
                "gpu-linux": ["__cuda=12.4"],
                "linux-64": [],
                "linux-aarch64-cuda-12": ["__cuda=12"],
                "linux-aarch64": [],
            },
        ),
        (
            "a feature's subdir means the platform of exactly that name where there is one",
            RICH + '[feature.a]\nplatforms = ["linux-64"]\n[environments]\nan = ["a"]',
            "an",
            {"linux-64": []},
        ),
        (
            "a sibling that names the variant selects it",
            RICH
            + '[feature.a]\nplatforms = ["linux-64", "gpu-linux"]\n[feature.b]\nplatforms = ["gpu-linux"]\n'
            + '[environments]\nab = ["a", "b"]',
            "ab",
            {"gpu-linux": ["__cuda=12.4"]},
        ),
        (
            "all kinds of entries of a rich platform",
            """
            [workspace]
            platforms = [{ name = "big", platform = "linux-64", cuda = { driver = "12.8", arch = "8.6" },
              archspec = "x86_64_v3", glibc = "2.34", linux = "5.10", __raw = "1.2=build" }]
            """,
            "default",
            {
                "big": [
                    "__archspec=0=x86_64_v3",
                    "__cuda=12.8",
                    "__cuda_arch=8.6",
                    "__glibc=2.34",
                    "__linux=5.10",
                    "__raw=1.2=build",
                ]
            },
        ),
        (
            "a table that requires nothing is a bare subdir, so composition still holds",
            (
                '[workspace]\nplatforms = [{ platform = "linux-64" }, { name = "osx-64" }]\n'
                '[system-requirements]\ncuda = "12"'
            ),
            "default",
            {"linux-64-cuda-12": ["__cuda=12"], "osx-64": []},
        ),
        (
            "content inside of an environment is a feature too",
            TWO + '[environments.only]\nplatforms = ["linux-64"]\n[environments.only.dependencies]\nx = "*"',
            "only",
            {"linux-64": []},
        ),
    ],
)
def test_platforms_of_an_environment(
    rule: str, text: str, environment: str, expected: dict[str, list[str]]
) -> None:
    assert platforms(text, environment) == expected, rule


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('[workspace]\nplatforms = "linux-64"', "'workspace.platforms' must be a list, not a string", 2),
        ("[workspace]\nplatforms = [1]", "a platform must be a string or a table, not an integer", 2),
        ('[workspace]\nplatforms = ["linux-arm64"]', "'linux-arm64' is not a platform that conda knows", 2),
        ('[workspace]\nplatforms = ["linux-64", "linux-64"]', "platform 'linux-64' is listed twice", 2),
        (
            '[workspace]\nplatforms = [{ name = "gpu", cuda = "12" }]',
            "must name a platform that conda knows: platform = 'gpu'",
            2,
        ),
        ('[workspace]\nplatforms = [{ platform = "linux-64", cuda = 12 }]', "has cuda = 12", 2),
        ('[workspace]\nplatforms = [{ platform = "linux-64", colour = "red" }]', "has colour = 'red'", 2),
        (
            '[workspace]\nplatforms = [{ name = "linux-64", platform = "linux-64", cuda = "12" }]',
            "'linux-64' requires __cuda=12, so it needs a name other than conda's",
            2,
        ),
        (
            RICH + '[feature.a.system-requirements]\ncuda = "12"\n',
            "feature 'a' has system requirements, and the workspace has platforms given as tables",
            9,
        ),
        (
            RICH + '[feature.a]\nplatforms = ["win-64"]\n',
            "feature 'a' supports the platform 'win-64', which the workspace does not have",
            10,
        ),
        (
            TWO + '[feature.a]\nplatforms = ["gpu"]\n',
            "feature 'a' supports the platform 'gpu', which the workspace does not have",
            4,
        ),
        (
            TWO + '[feature.a.system-requirements]\nlibc = { family = "musl", version = "1.2" }\n'
            '[system-requirements]\nlibc = "2.28"\n[environments]\ndefault = ["a"]',
            "environment 'default' requires two kinds of libc: musl by feature 'a', glibc by feature 'default'",
            3,
        ),
        ("[workspace]\nplatforms = []\n[system-requirements]\ncuda = true", "must be a version", 4),
        ("[workspace]\n[environments]\ndefault = 5", "environment 'default' must be a list of features or", 3),
        (
            '[workspace]\n[environments]\ndefault = ["gpu"]',
            "environment 'default' has the feature 'gpu', which the manifest does not declare",
            3,
        ),
        ('[feature.a]\n[environments]\ndefault = ["a", "a"]', "lists the feature 'a' twice", 3),
        ("[environments]\ndefault = [1]", "'environments.default' must be a list of strings", 2),
        ("[environments.default]\nno-default-feature = 1", "must be true or false, not an integer", 2),
        ("feature = 1", "'feature' must be a table, not an integer", 1),
        ("[feature.default]\n", "the feature 'default' cannot be declared", 1),
        ("workspace = 2026-01-01", "'workspace' must be a table, not a date or time", 1),
    ],
)
def test_what_pixi_refuses_is_one_error_with_its_line(text: str, message: str, line: int) -> None:
    error = refused(text)
    assert message in error.message
    assert (error.file, error.line) == ("pixi.toml", line)


def test_an_error_in_a_pyproject_names_the_key_as_it_is_written_there(folder: Folder) -> None:
    (folder.path / "pixi.toml").unlink()
    folder.write("pyproject.toml", '[project]\nname = "p"\n[tool.pixi.workspace]\nrequires-pixi = 1\n')
    manifest = read_manifest(folder.path)
    with pytest.raises(UserError, match=r"'tool.pixi.workspace.requires-pixi' must be a string") as caught:
        _ = manifest.requires_pixi
    assert caught.value.line == 4


def test_an_undeclared_feature_is_named_with_those_that_exist() -> None:
    error = refused('[feature.cpu]\n[feature.cuda]\n[environments]\ngpu = ["gpu"]', "gpu")
    assert "Declared features: cpu, cuda." in error.hint


def test_features_win_in_order_inline_then_listed_then_default() -> None:
    manifest = parsed(
        """
        [feature.a]
        [feature.b]
        [environments]
        default = { features = ["b"], solve-group = "g" }
        ab = ["a", "b"]
        bare = { features = ["a"], no-default-feature = true, solve-group = "g" }
        [environments.inline]
        features = ["b", "a"]
        [environments.inline.activation.env]
        X = "1"
        """
    )
    names = {
        name: [str(feature) for feature in manifest.environment(name).features]
        for name in manifest.environment_names
    }
    assert names == {
        "default": ["environment 'default'", "feature 'b'", "feature 'default'"],
        "ab": ["feature 'a'", "feature 'b'", "feature 'default'"],
        "bare": ["environment 'bare'", "feature 'a'"],
        "inline": ["environment 'inline'", "feature 'b'", "feature 'a'", "feature 'default'"],
    }
    assert manifest.environment("bare").solve_group == "g"
    assert manifest.environment("inline").feature_names == ("b", "a", "default")


ACTIVATION = """
[activation]
scripts = ["root.sh"]
env = { A = "root", B = "root", C = "root", D = "root" }
[target.unix.activation]
scripts = ["unix.sh"]
env = { A = "unix" }
[target.linux-64.activation]
env = { A = "linux-64", B = "linux-64" }
[target.win-64.activation]
scripts = ["win.bat"]
[feature.f.activation]
scripts = ["f.sh", "f2.sh"]
env = { C = "f" }
[feature.f.target."*-cuda-*".activation]
env = { C = "f on cuda" }
[feature.f.target.gpu.activation]
scripts = ["f-gpu.sh"]
[environments]
f = ["f"]
inline = { features = ["f"], activation = { scripts = ["inline.sh"], env = { C = "inline" } } }
"""


@pytest.mark.parametrize(
    ("rule", "environment", "names", "scripts", "env"),
    [
        (
            "of one feature the last matching target with scripts gives them; variables are merged",
            "default",
            LINUX,
            ("unix.sh",),
            {"A": "linux-64", "B": "linux-64", "C": "root", "D": "root"},
        ),
        (
            "a target for another system does not count",
            "default",
            ("win-64", "win-64"),
            ("win.bat",),
            {"A": "root", "B": "root", "C": "root", "D": "root"},
        ),
        (
            "the listed feature's scripts run first and its variables win",
            "f",
            LINUX,
            ("f.sh", "f2.sh", "unix.sh"),
            {"A": "linux-64", "B": "linux-64", "C": "f", "D": "root"},
        ),
        (
            "a target is meant by the platform's own name",
            "f",
            ("gpu", "linux-64"),
            ("f-gpu.sh", "unix.sh"),
            {"A": "linux-64", "B": "linux-64", "C": "f", "D": "root"},
        ),
        (
            "or by a pattern for it",
            "f",
            ("linux-64-cuda-12", "linux-64"),
            ("f.sh", "f2.sh", "unix.sh"),
            {"A": "linux-64", "B": "linux-64", "C": "f on cuda", "D": "root"},
        ),
        (
            "what stands in the environment comes first",
            "inline",
            ("osx-64", "osx-64"),
            ("inline.sh", "f.sh", "f2.sh", "unix.sh"),
            {"A": "unix", "B": "root", "C": "inline", "D": "root"},
        ),
    ],
)
def test_activation(
    rule: str, environment: str, names: tuple[str, ...], scripts: tuple[str, ...], env: dict[str, str]
) -> None:
    manifest = parsed(ACTIVATION)
    assert manifest.activation_scripts(environment, names) == scripts, rule
    assert manifest.activation_env(environment, names) == env, rule


@pytest.mark.parametrize("key", ["osx", "macos"])
def test_both_names_of_the_apple_family_are_known(key: str) -> None:
    manifest = parsed(f'[target.{key}.activation]\nscripts = ["a.sh"]')
    assert manifest.activation_scripts("default", ("osx-arm64", "osx-arm64")) == ("a.sh",)
    assert manifest.activation_scripts("default", LINUX) == ()


def test_a_variable_must_be_a_string_as_for_pixi() -> None:
    manifest = parsed("[activation.env]\nTHREADS = 4\n")
    with pytest.raises(UserError, match=r"'activation.env.THREADS' must be a string, not an integer") as caught:
        manifest.activation_env("default", LINUX)
    assert caught.value.line == 2


def test_find_links_of_workspace_root_and_features() -> None:
    manifest = parsed(
        """
        [workspace.pypi-options]
        find-links = [{ path = "./links" }, { url = "https://x.y/z" }]
        [feature.a.pypi-options]
        find-links = [{ path = "wheels" }, { path = "./links" }]
        [environments]
        a = ["a"]
        """
    )
    assert manifest.find_links("a") == ("./links", "wheels")
    assert manifest.find_links("default") == ("./links",)


@pytest.mark.parametrize(
    ("file", "text", "name", "version"),
    [
        ("pixi.toml", '[workspace]\nname = "w"\nversion = "1.0"', "w", "1.0"),
        ("pixi.toml", '[project]\nname = "p"', "p", ""),
        ("pixi.toml", '[workspace]\nversion = "1"\n[package]\nname = "pk"', "pk", "1"),
        ("mojoproject.toml", '[project]\nname = "m"', "m", ""),
        ("pyproject.toml", '[project]\nname = "p"\nversion = "2"\n[tool.pixi.workspace]\nchannels = []', "p", "2"),
        ("pyproject.toml", '[project]\nname = "p"\n[tool.pixi.project]\nname = "own"', "own", ""),
        (
            "pyproject.toml",
            '[tool.poetry]\nname = "po"\nversion = "3"\n[tool.pixi.workspace]\nplatforms = []',
            "po",
            "3",
        ),
    ],
)
def test_name_and_version(file: str, text: str, name: str, version: str) -> None:
    manifest = parsed(text, file)
    assert manifest.workspace
    assert (manifest.name, manifest.version) == (name, version)


def test_groups_of_a_pyproject_are_features_unless_one_is_declared() -> None:
    manifest = parsed(
        """
        [project]
        name = "p"
        optional-dependencies = { plot = ["matplotlib"] }
        [dependency-groups]
        dev = ["pytest"]
        plot = []
        [tool.pixi.workspace]
        platforms = ["linux-64"]
        [tool.pixi.feature.dev]
        platforms = ["linux-64"]
        [tool.pixi.environments]
        dev = ["dev", "plot"]
        """,
        "pyproject.toml",
    )
    assert list(manifest.features) == ["default", "dev", "plot"]
    assert manifest.environment("dev").feature_names == ("dev", "plot", "default")
    assert manifest.features["dev"].platforms == ("linux-64",)


def test_a_link_that_was_checked_out_as_text(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text("../../pixi-kilted.toml")
    with pytest.raises(UserError, match=r"symbolic link to '../../pixi-kilted.toml' that was checked out as text"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"[workspace", "not valid TOML"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
        (b"a = " + b"1" * 5000, "not valid TOML"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "pixi.toml").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("context", "path", "message", "hint"),
    [
        ("absent", "", "absent' is not a folder", "Set 'context' to the workspace's folder,"),
        (".", "", "no Pixi workspace in '", "pixi.toml, pyproject.toml, mojoproject.toml with a workspace table"),
        (
            ".",
            "absent.toml",
            "there is no manifest 'absent.toml' in '",
            "'manifest-path' is relative to 'context'.",
        ),
        (".", "sub", "there is no manifest 'sub' in '", "'manifest-path' is relative to 'context'."),
        (".", "sub/pixi.toml", "the manifest has no workspace table", "Add [workspace]."),
        (
            "sub",
            "../pixi.toml",
            "'../pixi.toml' is outside of the context '",
            "and 'manifest-path' to 'pixi.toml'",
        ),
        (
            ".",
            "other.toml",
            "'other.toml' is not the name of a Pixi manifest",
            "Accepted: pixi.toml, pyproject.toml",
        ),
        (".", "pixi.toml", "the manifest has no workspace table", "Add [workspace]."),
    ],
)
def test_where_a_manifest_is_looked_for(tmp_path: Path, context: str, path: str, message: str, hint: str) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/pixi.toml", "other.toml", "pixi.toml"):
        (tmp_path / name).write_text("[tasks]\n")
    with pytest.raises(UserError) as caught:
        read_manifest(tmp_path / context, path)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_first_manifest_with_a_workspace_counts(tmp_path: Path) -> None:
    table = "[workspace]\nchannels = []\nplatforms = []\n"
    (tmp_path / "pixi.toml").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n')
    (tmp_path / "mojoproject.toml").write_text(table)
    assert read_manifest(tmp_path).file == "mojoproject.toml"
    (tmp_path / "pyproject.toml").write_text(table.replace("[", "[tool.pixi.", 1))
    assert read_manifest(tmp_path).file == "pyproject.toml"
    (tmp_path / "pixi.toml").rmdir()
    (tmp_path / "pixi.toml").write_text(table)
    assert read_manifest(tmp_path).file == "pixi.toml"
    assert read_manifest(tmp_path, "mojoproject.toml").file == "mojoproject.toml"


def test_a_named_manifest_without_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"')
    with pytest.raises(UserError, match="has no workspace table") as caught:
        read_manifest(tmp_path, "pyproject.toml")
    assert "tool.pixi.workspace" in caught.value.hint


def test_a_platform_is_the_same_under_any_name_and_with_zeros() -> None:
    locked = Platform("p1", "linux-64", parse_virtual_packages(["__cuda=12.0", "__glibc=2.28"], "linux-64"))
    assert (
        locked.promises == Platform("gpu", "linux-64", parse_virtual_packages(["__cuda=12"], "linux-64")).promises
    )


KEYS = [
    *("workspace", "project", "package", "environments", "feature", "target", "activation", "scripts", "env"),
    *("platforms", "platform", "name", "cuda", "driver", "features", "solve-group", "no-default-feature"),
    *("system-requirements", "libc", "family", "version", "default", "a", "linux-64", "tool", "pixi", "poetry"),
    *("dependency-groups", "optional-dependencies", "pypi-options", "find-links", "path", "pypi-dependencies"),
    *("readme", "build-variants-files", "requires-pixi", "__cuda", ""),
]
SCALARS = (
    st.sampled_from([*KEYS, "linux", "12.4", "*-64", *sorted(SUBDIRS)])
    | st.text(max_size=5)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.dates()
)
NAMES = st.sampled_from(KEYS) | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=30,
)


@settings(deadline=None)
@given(document=st.dictionaries(NAMES, VALUES, max_size=6), name=st.sampled_from(["pixi.toml", "pyproject.toml"]))
@example({"workspace": {"platforms": [{"platform": "linux-64", "cuda": {"arch": "8.6"}}]}}, "pixi.toml")
@example({"environments": {"default": {"pypi-options": {"find-links": ["x"]}}}}, "pixi.toml")
def test_any_content_gives_an_answer_or_one_error(document: dict[str, Any], name: str) -> None:
    try:
        manifest = manifest_from(name, TomlTable(document, name))
    except UserError:
        return
    questions: list[Callable[[], object]] = [
        lambda: manifest.workspace,
        lambda: manifest.name + manifest.version + manifest.requires_pixi,
        lambda: manifest.has_rich_platforms,
        lambda: manifest.parse_time_files,
        lambda: manifest.all_features,
        lambda: manifest.environment_names,
        lambda: [
            (
                environment_platforms(manifest, manifest.environment(environment)),
                manifest.activation_scripts(environment, LINUX),
                manifest.activation_env(environment, LINUX),
                manifest.find_links(environment),
            )
            for environment in manifest.environment_names
        ],
    ]
    for question in questions:
        with suppress(UserError):
            question()


@settings(deadline=None)
@given(text=st.text(st.sampled_from("[]{}=.,#\"'\n ab1"), max_size=40))
def test_any_text_gives_an_answer_or_one_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "pixi.toml").write_text(text, "utf-8")
    with pytest.raises(UserError):
        read_manifest(folder)


@given(pattern=st.text("ab*", max_size=8).filter(lambda text: "*" in text), name=st.text("ab", max_size=8))
def test_a_star_stands_for_any_text(pattern: str, name: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
    assert _matches(pattern, name) == expected


def test_a_document_is_kept_whole(folder: Folder) -> None:
    folder.write(
        "pyproject.toml", '[project]\nname = "a"\n[tool.pixi.workspace]\nchannels = []\n[tool.uv]\na = 1\n'
    )
    manifest = read_manifest(folder.path, "pyproject.toml")
    assert manifest.document.values["tool"]["uv"] == {"a": 1}
    assert manifest.file == "pyproject.toml"


def test_lists_and_names_in_messages_are_short() -> None:
    assert listed(["b", "a"]) == "b, a"
    assert listed([]) == "none"
    assert listed(str(number) for number in range(10**9)).endswith(", 29, …")
    assert shortened("a" * 1000) == "a" * 119 + "…"
    assert shortened("a" * 120) == "a" * 120


def test_what_an_environment_has_inline_is_a_feature_after_the_declared_ones() -> None:
    manifest = parsed(
        '[feature.a.dependencies]\nx = "1"\n[environments]\nof = ["a"]\nalone.dependencies.y = "2"\n'
    )
    declared = [feature.name for feature in manifest.features.values()]
    features = manifest.all_features
    assert [feature.name for feature in features] == [*declared, ""]
    assert features[-1].table.table("dependencies").values == {"y": "2"}

"""The stand-in pixi against the rig's own channel, without Docker; with PIXI_CONTAINER_PIXI, pixi itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.rig import solve
from tests.rig.base import given, rootfs
from tests.rig.base.stand_in import VERSION, activation
from tests.rig.channel import mirrors
from tests.rig.folders import Folders

REPOSITORY = Path(__file__).parents[2]
GIVEN = given(os.environ)
PIXI = [str(GIVEN.program)] if GIVEN else [sys.executable, "-m", "tests.rig.base.stand_in"]

MANIFEST = """\
[workspace]
name = "study"
version = "0.1.0"
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64", { name = "linux-64-cuda", platform = "linux-64", cuda = "12" }]

[dependencies]
python = "3.11.*"
tqdm = "4.66.*"
proj = "*"

[feature.gpu]
platforms = ["linux-64-cuda"]
dependencies = { cuda-cudart = ">=12" }

[environments]
gpu = ["gpu"]

[tasks]
process = "python -c 'import os; print(os.getpid())'"

[activation.env]
WHERE = "$CONDA_PREFIX/data"
"""


@pytest.fixture(scope="session")
def locked(channel: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked")
    (folder / "pixi.toml").write_text(MANIFEST, encoding="utf-8")
    solve.lock(folder / "pixi.toml", channel=channel)
    return folder


class Workspace:
    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.manifest = root / "pixi.toml"
        self.lock = root / "pixi.lock"
        self.prefix = root / ".pixi/envs/default"
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(root),
            "PYTHONPATH": str(REPOSITORY),
            "PIXI_CACHE_DIR": str(cache),
        }

    def pixi(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*PIXI, *arguments],
            cwd=self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    def replace(self, old: str, new: str) -> None:
        text = self.manifest.read_text(encoding="utf-8")
        assert old in text
        self.manifest.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def workspace(locked: Path, channel: str, tmp_path: Path, package_cache: Path) -> Workspace:
    root = tmp_path / "study"
    shutil.copytree(locked, root)
    (root / ".pixi").mkdir()
    (root / ".pixi/config.toml").write_text(mirrors(channel), encoding="utf-8")
    return Workspace(root, package_cache)


def test_a_lock_looks_like_one_of_conda_forge(locked: Path, channel: str) -> None:
    text = (locked / "pixi.lock").read_text(encoding="utf-8")
    assert text.startswith("version: 7\nplatforms:\n- name: linux-64\n")
    assert "- name: p1\n  subdir: linux-64\n  virtual-packages:\n  - __cuda=12\n" in text
    assert "https://conda.anaconda.org/conda-forge/linux-aarch64/python-3.11" in text
    assert channel not in text
    assert "indexed_timestamp" not in text


def test_install_gives_a_working_environment_and_pixis_own_files(workspace: Workspace) -> None:
    done = workspace.pixi("install", "--locked")
    assert "The default environment has been installed." in done.stderr
    meta = workspace.prefix / "conda-meta"
    records = sorted(meta.glob("*.json"))
    listed = json.loads(workspace.pixi("list", "--frozen", "--json").stdout)
    assert len(records) == len(listed)
    assert {record.stat().st_mode & 0o777 for record in records} == {0o600}
    assert json.loads((meta / "pixi").read_text())["manifest_path"] == str(workspace.manifest)
    assert re.fullmatch(r"[0-9a-f]{16}", (meta / ".pixi-environment-fingerprint").read_text())
    assert (meta / "pixi_env_prefix").read_text() == str(meta)
    assert (meta / "history").stat().st_size == 47
    assert (workspace.prefix / "CACHEDIR.TAG").exists()
    assert (workspace.root / ".pixi/.gitignore").read_text() == "*\n!config.toml\n"
    assert (workspace.root / ".pixi/.condapackageignore").exists()
    said = subprocess.check_output([workspace.prefix / "bin/tqdm", "--version"], text=True)
    assert said.startswith("4.66")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tqdm = "4.66.*"', 'tqdm = "4.67.*"'),
        ('proj = "*"', 'proj = "*"\nscipy = "*"'),
        ('proj = "*"\n', ""),
        ('cuda = "12" }]', 'cuda = "13" }]'),
        ('gpu = ["gpu"]', ""),
        ('gpu = ["gpu"]', 'gpu = ["gpu"]\nmore = ["gpu"]'),
        ('"linux-aarch64", {', '"linux-aarch64", "osx-arm64", {'),
        ('["conda-forge"]', '["conda-forge", "bioconda"]'),
    ],
)
def test_locked_checks_every_environment_and_says_why_only_with_v(
    workspace: Workspace, old: str, new: str
) -> None:
    workspace.replace(old, new)
    done = workspace.pixi("install", "--locked", code=1)
    assert done.stderr.endswith("Error:   × lock file not up-to-date with the workspace\n\n")
    assert "INFO pixi_core::lock_file::outdated: " in workspace.pixi("install", "--locked", "-v", code=1).stderr


OWN = """\
[feature.own.pypi-dependencies]
study = { path = "own/study" }
pygments = { path = "own/pygments-2.18.0-py3-none-any.whl" }

[environments]
own = ["own"]
"""
STUDY = """\
[project]
name = "study"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["tqdm", "core"]
optional-dependencies = { test = ["proj>=1"] }

[tool.uv.sources]
core = { path = "../core" }
"""


@pytest.fixture
def own(workspace: Workspace, channel: str) -> Workspace:
    """With packages of its own in an environment other than the one that tests install."""
    folder = workspace.root / "own"
    for name in ("study", "core"):
        (folder / name).mkdir(parents=True)
    (folder / "study/pyproject.toml").write_text(STUDY, encoding="utf-8")
    wheel = httpx.get(f"{channel}wheels/pygments-2.18.0-py3-none-any.whl").content
    (folder / "pygments-2.18.0-py3-none-any.whl").write_bytes(wheel)
    workspace.replace("[environments]\n", OWN)
    solve.lock(workspace.manifest, channel=channel)
    workspace.pixi("install", "--locked")
    return workspace


def outdated(workspace: Workspace) -> str:
    """What `pixi install --locked -v` logs of why the lock is out of date."""
    done = workspace.pixi("install", "--locked", "-v", code=1)
    lines = [line for line in done.stderr.splitlines() if "pixi_core::lock_file::outdated" in line]
    return "\n".join(sorted(lines))


def test_own_packages_of_other_environments_are_checked_as_well(own: Workspace) -> None:
    (own.root / "own/core").rmdir()
    own.pixi("install", "--locked")
    (own.root / "own/study/pyproject.toml").write_text("no TOML", encoding="utf-8")
    own.pixi("install", "--locked")
    (own.root / "own/study/pyproject.toml").unlink()
    own.pixi("install", "--locked")
    (own.root / "own/study").rmdir()
    assert "when converting study into a pep508 requirement" in outdated(own)
    (own.root / "own/study").mkdir()
    own.pixi("install", "--locked")
    next((own.root / "own").glob("*.whl")).unlink()
    assert "when converting pygments into a pep508 requirement" in outdated(own)
    own.pixi("install", "--frozen")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"tqdm",', '"tqdm>=4",', "dependencies changed - added: [tqdm], removed: [tqdm]"),
        ("proj>=1", "proj>=2", "dependencies changed - added: ["),
        (">=3.10", ">=3.11", "requires-python changed from '>=3.10' to '>=3.11'"),
        ('"../core"', '"../other"', "dependencies changed - added: ["),
        ('version = "1.0"', 'version = "2.0"', ""),
        ('"tqdm", "core"]', '"core", "tqdm"]', ""),
        ('version = "1.0"', 'dynamic = ["version"]', ""),
        ('dependencies = ["tqdm", "core"]', 'dynamic = ["dependencies"]', ""),
    ],
)
def test_what_own_packages_say_must_be_what_is_locked(own: Workspace, old: str, new: str, reason: str) -> None:
    project = own.root / "own/study/pyproject.toml"
    text = project.read_text(encoding="utf-8")
    assert old in text
    project.write_text(text.replace(old, new), encoding="utf-8")
    if reason:
        assert f"metadata for local package 'study' has changed: {reason}" in outdated(own)
    else:
        own.pixi("install", "--locked")


OUTDATED = [
    (
        'tqdm = "4.66.*"',
        'tqdm = "4.67.*"',
        "the dependencies of environment 'gpu' for platform linux-64-cuda are out",
    ),
    (
        'tqdm = "4.66.*"',
        'tqdm = "4.67.*"',
        "the requirement 'tqdm 4.67.*' could not be satisfied (required by '<env",
    ),
    (
        'gpu = ["gpu"]',
        "",
        "environment 'gpu' is out of date because it no longer exists in the manifest but is still",
    ),
    (
        'gpu = ["gpu"]',
        'more = ["gpu"]',
        "environment 'more' is out of date because it does not exist in the lock file.",
    ),
    ('["conda-forge"]', '["conda-forge", "bioconda"]', "channels were extended with additional lower-priority"),
    (
        '["conda-forge"]',
        '["bioconda", "conda-forge"]',
        "the channels in the lock file do not match the environments",
    ),
    ('proj = "*"', "", "there are more conda packages in the lock file than are used by the environment: "),
]


@pytest.mark.parametrize(("old", "new", "reason"), OUTDATED)
def test_reasons_are_logged_in_pixis_words(workspace: Workspace, old: str, new: str, reason: str) -> None:
    workspace.replace(old, new)
    assert reason in outdated(workspace)


def test_frozen_installs_nothing_without_a_row_and_succeeds(workspace: Workspace) -> None:
    text = workspace.lock.read_text(encoding="utf-8")
    start = text.index("      linux-64:\n", text.index("  default:\n"))
    workspace.lock.write_text(text[:start] + text[text.index("      linux-aarch64:", start) :], encoding="utf-8")
    workspace.pixi("install", "--frozen")
    assert not list((workspace.prefix / "conda-meta").glob("*.json"))


def test_the_machine_must_have_the_virtual_packages(workspace: Workspace) -> None:
    done = workspace.pixi("install", "--locked", "-e", "gpu", code=1)
    assert done.stderr.startswith("Error: unsupported-platform\n\n  × Cannot install environment 'gpu'\n")
    why = "- linux-64-cuda (subdir linux-64): missing virtual packages: __cuda >= 12"
    assert why in " ".join(done.stderr.split())
    assert "CONDA_OVERRIDE_CUDA=12\n" in done.stderr
    workspace.pixi("install", "--locked", "-e", "gpu", CONDA_OVERRIDE_CUDA="12.9")
    assert (workspace.root / ".pixi/envs/gpu/lib/libcudart.so.12").exists()


def test_what_locked_packages_ask_of_the_machine_is_checked_as_well(workspace: Workspace) -> None:
    """Here the platform itself asks nothing; the long line is cut where pixi cuts it."""
    text = workspace.lock.read_text(encoding="utf-8").replace("  - __cuda=12\n", "")
    row = "      p1:\n"
    default, gpu = text.index("  default:\n"), text.index("  gpu:\n")
    locked = text[text.index(row, gpu) + len(row) : text.index("packages:\n- ", gpu + 20)]
    # Both rows fit the machine now, and either may be taken.
    start = text.index("      linux-64:\n", default)
    both = f"      linux-64:\n{locked}{row}{locked}"
    workspace.lock.write_text(text[:start] + both + text[gpu:], encoding="utf-8")
    done = workspace.pixi("install", "--frozen", code=1)
    first, second = done.stderr.splitlines()[1:3]
    assert first == "  ╰─▶ Virtual package '__cuda >=12' does not match any of the available"
    assert second.startswith("      virtual packages on your machine: [")
    assert "overriding the environment variable, e.g.: '`CONDA_OVERRIDE_CUDA=12`'" in " ".join(done.stderr.split())
    workspace.pixi("install", "--frozen", CONDA_OVERRIDE_CUDA="12")


def test_skipped_binary_packages_stay_absent_after_the_next_install(workspace: Workspace) -> None:
    workspace.pixi("install", "--frozen", "--skip", "tqdm")
    assert not (workspace.prefix / "bin/tqdm").exists()
    marker = workspace.prefix / "conda-meta/pixi"
    assert json.loads(marker.read_text())["environment_lock_file_hash"] == "invalid-hash"
    workspace.pixi("install", "--locked")
    assert not (workspace.prefix / "bin/tqdm").exists()


def test_source_date_epoch_reaches_folders_and_records_but_not_entry_points(workspace: Workspace) -> None:
    workspace.pixi("install", "--locked", SOURCE_DATE_EPOCH="1700000000")
    for path in (workspace.prefix, workspace.prefix / "lib", *(workspace.prefix / "conda-meta").iterdir()):
        assert path.stat().st_mtime == 1_700_000_000
    assert (workspace.prefix / "bin/tqdm").stat().st_mtime > 1_736_899_200
    assert (workspace.prefix / "bin/python3.11").stat().st_mtime < 1_700_000_000 + 10**8


def test_the_hook_has_pixis_lines_and_works(workspace: Workspace) -> None:
    workspace.pixi("install", "--locked")
    network = "OFF"
    text = workspace.pixi("shell-hook", "--as-is", PROJ_NETWORK=network).stdout
    lines = text.splitlines()
    assert lines[0] == f'export PATH="{workspace.prefix}/bin:/usr/bin:/bin"'
    assert lines[1:3] == ["export CONDA_SHLVL=1", f"export CONDA_PREFIX={workspace.prefix}"]
    assert lines[3:5] == ["export CONDA_ENV_SHLVL_1_PROJ_NETWORK=OFF", "export PROJ_NETWORK=ON"]
    assert "export PIXI_PROMPT='(study) '" in lines
    assert f". {workspace.prefix}/etc/conda/activate.d/proj-activate.sh" in lines
    assert 'export WHERE="$CONDA_PREFIX/data"' in lines
    function = lines.index("# shellcheck shell=bash")
    assert lines[function - 2 : function + 2] == [lines[function - 2], "", "# shellcheck shell=bash", "pixi() {"]
    assert lines[function - 2]
    assert lines[-1] == 'export PS1="(study) ${PS1:-}"'
    hooks = {workspace.pixi("shell-hook", "--as-is").stdout for _ in range(5)}
    assert len(hooks) > 1, "the order of the PIXI_ lines is random"
    assert (
        len({"".join(sorted(hook.replace("linux-aarch64,linux-64", "linux-64,linux-aarch64"))) for hook in hooks})
        == 1
    )
    done = subprocess.check_output(["bash", "-c", f"{text}\necho $PROJ_DATA $WHERE"], text=True)
    assert done.split() == [f"{workspace.prefix}/share/proj", f"{workspace.prefix}/data"]
    found = json.loads(workspace.pixi("shell-hook", "--as-is", "--json").stdout)
    assert found["environment_variables"]["PROJ_DATA"] == f"{workspace.prefix}/share/proj"
    assert "PWD" not in found["environment_variables"]


def test_run_starts_the_program_and_passes_signals_on(workspace: Workspace) -> None:
    workspace.pixi("install", "--locked")
    loop = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    (workspace.root / "wait.py").write_text(loop, encoding="utf-8")
    workspace.replace("[tasks]\n", '[tasks]\nwait = "python wait.py"\n')
    for command in (["wait"], ["python", "wait.py"]):
        process = subprocess.Popen(
            [*PIXI, "run", "--as-is", *command],
            cwd=workspace.root,
            env=workspace.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert int(process.stdout.readline()) != process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
        process.stdout.close()


TASKS = """\
[tasks]
plain = "echo plain"
table = { cmd = "echo table", description = "in a table" }
copy = { cmd = "echo copying && cp in.txt o.txt", inputs = ["in.txt"], outputs = ["*.txt"], depends-on = "plain" }
both = { depends-on = ["copy", "table", "plain"] }
fails = { cmd = "exit 3", depends-on = ["plain"] }
"""


def test_tasks_with_tables(workspace: Workspace) -> None:
    workspace.pixi("install", "--locked")
    (workspace.root / "in.txt").write_text("1", encoding="ascii")
    workspace.replace("[tasks]\n", TASKS)
    cache = workspace.root / ".pixi/task-cache-v0"
    done = workspace.pixi("run", "--as-is", "plain")
    assert (done.stdout, done.stderr) == ("plain\n", "Pixi task (plain in default): echo plain\n")
    assert not cache.exists()
    done = workspace.pixi("run", "--as-is", "table", "more")
    assert done.stdout == "table more\n"
    assert done.stderr == "Pixi task (table in default): echo table more: (in a table)\n"
    assert [path.name.rpartition("-")[0] for path in cache.iterdir()] == ["default-table"]
    assert workspace.pixi("run", "--as-is", "both").stdout.split() == ["plain", "copying", "table"]
    again = workspace.pixi("run", "--as-is", "both")
    assert again.stdout.split() == ["plain", "table"]
    assert "Task 'copy' can be skipped (cache hit) 🚀" in again.stderr
    (workspace.root / "in.txt").write_text("2", encoding="ascii")
    assert workspace.pixi("run", "--as-is", "copy").stdout.split() == ["plain", "copying"]
    assert workspace.pixi("run", "--as-is", "fails", code=3).stdout == "plain\n"


def test_a_task_with_a_table_ends_with_1_where_it_cannot_be_recorded(workspace: Workspace) -> None:
    workspace.pixi("install", "--locked")
    workspace.replace("[tasks]\n", TASKS)
    (workspace.root / ".pixi/task-cache-v0").symlink_to("/proc/cannot")
    done = workspace.pixi("run", "--as-is", "table", code=1)
    assert done.stdout == "table\n"
    assert done.stderr.splitlines()[1] == "Error:   × File exists (os error 17)"
    assert workspace.pixi("run", "--as-is", "plain").stdout == "plain\n"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain-1.0/x:y@z", "plain-1.0/x:y@z"),
        ("", "''"),
        ("a b", "'a b'"),
        ("it's", '"it\'s"'),
        ('say "it\'s"', '"say \\"it\'s\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("`tick`", "'`tick`'"),
        ("it's `tick`", "\"it's \"'`tick`'"),
        ("a,b=c", "'a,b=c'"),
        ("café", "'café'"),
        ("^x", "'^x'"),
        ("$HOME/x", '"$HOME/x"'),
        ('"$HOME"', '"\\"$HOME\\""'),
        ("5 \\$", '"5 \\$"'),
        ("\\$HOME `tick`", '"\\$HOME `tick`"'),
    ],
)
def test_values_are_quoted_as_rattler_and_shlex_do(value: str, line: str) -> None:
    assert activation._export("NAME", value) == f"export NAME={line}"


def test_list_says_what_it_is_about(workspace: Workspace) -> None:
    assert workspace.pixi("list", "--frozen").stderr == ""
    workspace.pixi("install", "--locked")
    workspace.pixi("install", "--locked", "-e", "gpu", CONDA_OVERRIDE_CUDA="12.9")
    assert workspace.pixi("list", "--frozen").stderr == "Installed for: linux-64\n"
    done = workspace.pixi("list", "--frozen", "-e", "gpu", code=1)
    assert "no platform supported by environment 'gpu' matches the current system" in done.stderr
    done = workspace.pixi("list", "--frozen", "-e", "gpu", CONDA_OVERRIDE_CUDA="12.9")
    assert done.stderr == "Environment: gpu\nInstalled for: linux-64\n"
    assert re.search(r"^python +3\.11\.\d+ .* \d+\.\d\d MiB +conda ", done.stdout, re.MULTILINE)


def test_install_says_what_it_did(workspace: Workspace) -> None:
    def said(*arguments: str) -> list[str]:
        done = workspace.pixi("install", "--frozen", *arguments, CONDA_OVERRIDE_CUDA="12.9")
        return done.stderr.splitlines()

    assert said("--all") == ["The following environments have been installed: default, gpu."]
    assert said("--skip", "tqdm", "--skip", "absent") == [
        " WARN The skipped arg(s) 'absent' did not match any packages in the lock file",
        "The default environment has been installed excluding 'tqdm'.",
    ]


def test_what_is_wrong_is_said_as_pixi_says_it(workspace: Workspace) -> None:
    assert workspace.pixi("--version").stdout == f"pixi {GIVEN.version if GIVEN else VERSION}\n"
    if not GIVEN:
        assert "stand-in" in workspace.pixi("--help").stdout
        assert "stand-in" in workspace.pixi("global", "install", code=2).stderr
    assert "unknown environment 'nope'" in workspace.pixi("install", "-e", "nope", code=1).stderr
    assert "possible values: true, false" in workspace.pixi("install", PIXI_FROZEN="1", code=2).stderr
    workspace.lock.write_text("version: 99\n", encoding="utf-8")
    assert "Lock-file version 99 is newer than supported" in workspace.pixi("install", "--frozen", code=1).stderr
    workspace.lock.unlink()
    assert "not up-to-date with requested environment" in workspace.pixi("install", "--frozen", code=1).stderr
    workspace.replace('name = "study"', 'name = "study"\nreadme = "README.md"')
    said = workspace.pixi("install", "--frozen", code=1).stderr
    assert f"'{workspace.root}/README.md'doesnotexist" in re.sub(r"[\s│]", "", said)


def test_the_channel_serves_ranges_and_no_listing(channel: str) -> None:
    whole = httpx.get(f"{channel}noarch/repodata.json")
    assert "Last-Modified" in whole.headers
    part = httpx.get(f"{channel}noarch/repodata.json", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    last = httpx.get(f"{channel}noarch/repodata.json", headers={"Range": "bytes=-4"})
    assert last.content == whole.content[-4:]
    assert httpx.get(f"{channel}noarch/").status_code == 404
    assert httpx.get(f"{channel}noarch/absent.conda").status_code == 404


@pytest.mark.parametrize("backend", ["hatchling.build", "setuptools.build_meta"])
@pytest.mark.parametrize("editable", [True, False])
def test_own_packages_are_built_and_installed_as_uv_does(
    workspace: Workspace, channel: str, backend: str, *, editable: bool
) -> None:
    requires = backend.split(".", maxsplit=1)[0]
    (workspace.root / "pyproject.toml").write_text(
        f"""\
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

[project]
name = "study-tools"
version = "1.2.3"
requires-python = ">=3.10"
dependencies = ["tqdm>=4"]
scripts = {{ study = "study_tools:main" }}
""",
        encoding="utf-8",
    )
    (workspace.root / "src/study_tools").mkdir(parents=True)
    code = "def main() -> None:\n    print(__file__)\n"
    (workspace.root / "src/study_tools/__init__.py").write_text(code, encoding="utf-8")
    spec = f'study-tools = {{ path = ".", editable = {str(editable).lower()} }}'
    workspace.replace("[feature.gpu]", f"[pypi-dependencies]\n{spec}\n\n[feature.gpu]")
    solve.lock(workspace.manifest, channel=channel)
    own = "- pypi: .\n  name: study-tools\n  requires_dist:\n  - tqdm>=4\n  requires_python: '>=3.10'\n"
    assert own in workspace.lock.read_text(encoding="utf-8")
    workspace.environment["PIXI_STAND_IN_BACKENDS"] = str(
        rootfs.backends(Folders.from_environment(os.environ).cache)
    )
    workspace.pixi("install", "--frozen", "--skip", "study-tools")
    assert not (workspace.prefix / "bin/study").exists()
    workspace.pixi("install", "--locked")
    printed = subprocess.check_output([workspace.prefix / "bin/study"], text=True).strip()
    site_packages = workspace.prefix / "lib/python3.11/site-packages"
    assert Path(printed).parents[1] == (workspace.root / "src" if editable else site_packages)
    dist_info = site_packages / "study_tools-1.2.3.dist-info"
    assert (dist_info / "INSTALLER").read_text() == "uv-pixi"
    direct = json.loads((dist_info / "direct_url.json").read_text())
    assert direct == {"url": workspace.root.as_uri(), "dir_info": {"editable": editable}}
    before = (dist_info / "RECORD").stat().st_ino
    workspace.pixi("install", "--locked")
    assert (dist_info / "RECORD").stat().st_ino == before, "unchanged sources are not installed again"
    (workspace.root / "pyproject.toml").unlink()
    workspace.pixi("install", "--locked", "--skip", "study-tools")
    assert not dist_info.exists()
    assert not (workspace.prefix / "bin/study").exists()
    workspace.environment["PIXI_OVERRIDE_PLATFORM"] = "linux-aarch64"
    shutil.rmtree(workspace.prefix)
    workspace.pixi("install", "--frozen", "--skip", "study-tools")
    assert (workspace.prefix / "lib/python3.11/site-packages/tqdm").is_dir()
    assert "Failed to query Python interpreter" in workspace.pixi("install", "--frozen", code=1).stderr

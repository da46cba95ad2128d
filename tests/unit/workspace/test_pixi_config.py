"""The workspace's configuration of Pixi: used for the build, no part of the image, never ignored in silence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixi_container.errors import UserError
from pixi_container.image.files import read_image_files, relevant_paths
from pixi_container.inputs import Inputs
from pixi_container.workspace.pixi_config import PixiConfig
from pixi_container.workspace.workspace import read_workspace
from tests.unit.image.test_dockerfile import rendered

if TYPE_CHECKING:
    from tests.unit.conftest import Folder

MIRROR = '[mirrors]\n"https://conda.anaconda.org/conda-forge" = ["https://mirror.example.org/conda-forge"]\n'
PIXI = "0.77.0"


def test_it_is_there_for_the_build_and_counts(folder: Folder) -> None:
    inputs = Inputs(context=str(folder.path))
    before = read_image_files(read_workspace(inputs), inputs, PIXI).digests
    folder.write(".pixi/config.toml", MIRROR)
    workspace = read_workspace(inputs)
    mirrors = {"https://conda.anaconda.org/conda-forge": ("https://mirror.example.org/conda-forge",)}
    assert workspace.config == PixiConfig(".pixi/config.toml", mirrors=mirrors)
    dockerfile = rendered(folder.path)
    assert 'COPY [".pixi/config.toml", "/app/.pixi/"]' in dockerfile.partition("FROM base")[0]
    assert "config.toml" not in dockerfile.partition("AS environment")[2]
    after = read_image_files(workspace, inputs, PIXI).digests
    assert [name for name in after if after[name] != before[name]] == ["manifest and lock"]
    assert ".pixi/config.toml" in relevant_paths(workspace, inputs, PIXI)


@pytest.mark.parametrize(
    ("config", "ignore", "says"),
    [
        (MIRROR, ".pixi\n", "add the line '!.pixi/config.toml'"),
        (MIRROR, "*\n!.pixi/config.toml\n!pixi.*\n", ""),
        (
            'detached-environments = "/scratch"\n',
            "",
            "'detached-environments' would put the environment elsewhere",
        ),
        ("detached-environments = false\n", "", ""),
    ],
)
def test_where_it_is_not_used_is_said(folder: Folder, config: str, ignore: str, says: str) -> None:
    folder.write(".pixi/config.toml", config)
    folder.write(".dockerignore", ignore)
    found = read_workspace(Inputs(context=str(folder.path))).config
    assert says in found.unused
    assert bool(found.path) == (not says)
    assert ('COPY [".pixi/config.toml", "/app/.pixi/"]' in rendered(folder.path)) == (not says)


@pytest.mark.parametrize(
    ("config", "only_pixi"),
    [
        ("tls-no-verify = true\n", "tls-no-verify"),
        ('run-post-link-scripts = "insecure"\n', "run-post-link-scripts"),
        ('[proxy-config]\nhttps = "http://proxy"\n', "proxy-config"),
        ('[pypi-config]\nkeyring-provider = "subprocess"\n', "pypi-config"),
        ('[mirrors]\n"https://one" = "https://two"\n', "mirrors"),
        ('[mirrors]\n"https://one" = [2]\n', "mirrors"),
        ("mirrors = 3\n", "mirrors"),
        ("a-key-of-tomorrow = 1\n", "a-key-of-tomorrow"),
        ('run-post-link-scripts = "false"\ntls-no-verify = false\noffline = false\n', ""),
        ("offline = true\n", "offline"),
        ("[s3-options.bucket]\nregion = 'eu'\n", "s3-options"),
        ("tool-platform = 'linux-64'\n[index-config]\nwrite-zst = true\n", ""),
        ('[pypi-config]\nindex-url = "https://example.org"\n', ""),
        ('pinning-strategy = "semver"\n[shell]\nchange-ps1 = false\n', ""),
        (MIRROR, ""),
    ],
)
def test_what_only_pixi_follows_is_named(folder: Folder, config: str, only_pixi: str) -> None:
    folder.write(".pixi/config.toml", config)
    assert read_workspace(Inputs(context=str(folder.path))).config.only_pixi == only_pixi


DOCUMENT = Path(__file__).parents[3] / "docs/pixi-configuration.md"
SAMPLES = {
    "mirrors": MIRROR,
    "run-post-link-scripts": 'run-post-link-scripts = "insecure"\n',
    "shell": "[shell]\nchange-ps1 = false\n",
    "pypi-config.allow-insecure-host": '[pypi-config]\nallow-insecure-host = ["a.example"]\n',
    "pypi-config.keyring-provider": '[pypi-config]\nkeyring-provider = "subprocess"\n',
    "pypi-config.index-url": '[pypi-config]\nindex-url = "https://a.example"\n',
    "pypi-config.extra-index-urls": '[pypi-config]\nextra-index-urls = ["https://a.example"]\n',
    "detached-environments": "detached-environments = true\n",
}


def documented() -> dict[str, str]:
    """Return, by setting, what the table says of environments that come straight from the lock."""
    table = DOCUMENT.read_text().partition("| setting |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("| `")]
    return {name: row[2] for row in rows for name in re.findall(r"`([^`]+)`", row[1])}


@pytest.mark.parametrize("name", documented())
def test_the_document_says_what_each_setting_does(folder: Folder, name: str) -> None:
    folder.write(".pixi/config.toml", SAMPLES.get(name, f"{name} = true\n"))
    config, says = read_workspace(Inputs(context=str(folder.path))).config, documented()[name]
    assert bool(config.only_pixi) == (says == "Pixi installs the environment")
    assert bool(config.unused) == (says == "the file is not used")
    assert bool(config.mirrors) == (says == "used")


def test_one_that_is_no_toml_is_an_error(folder: Folder) -> None:
    folder.write(".pixi/config.toml", "[mirrors\n")
    with pytest.raises(UserError, match="not valid TOML"):
        read_workspace(Inputs(context=str(folder.path)))


def test_one_that_leads_out_is_not_read(folder: Folder) -> None:
    folder.write("../config.toml", "[mirrors\n")
    (folder.path / ".pixi").mkdir()
    (folder.path / ".pixi/config.toml").symlink_to("../../config.toml")
    assert "leads out of the context" in read_workspace(Inputs(context=str(folder.path))).config.unused

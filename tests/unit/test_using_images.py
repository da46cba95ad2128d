"""What docs/using-images.md gives to be copied is right as far as that can be told without the tools."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/using-images.md"


@dataclass(frozen=True)
class Block:
    """A code block of the page: the language after its fence, its text, the line of the fence."""

    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line}: {self.language}"


def blocks(page: str) -> list[Block]:
    fenced = re.finditer(r"(?ms)^```(\w*)\n(.*?)^```$", page)
    return [Block(match[1], match[2], page.count("\n", 0, match.start()) + 1) for match in fenced]


BLOCKS = blocks(PAGE.read_text("utf-8"))
WORKFLOWS = [block for block in BLOCKS if block.language == "yaml" and "runs-on:" in block.text]


def in_language(language: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", chosen, ids=str)


def test_every_block_is_checked_here() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "yaml", "json", "ini", "python"}
    assert PAGE.read_text("utf-8").count("\n```") == 2 * len(BLOCKS)


@in_language("bash")
def test_shell_is_bash(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@in_language("yaml")
def test_yaml_is_a_mapping(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@in_language("json")
def test_json_is_an_object(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict)


@in_language("python")
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(PAGE), "exec")


@in_language("ini")
def test_a_submit_file_starts_the_entrypoint_and_queues(block: Block) -> None:
    *commands, last = block.text.splitlines()
    settings = dict(line.split(" = ", 1) for line in commands)
    assert last == "queue"
    assert settings["universe"] in {"container", "docker"}
    assert f"{settings['universe']}_image" in settings
    # A path of the image is not one of the machine that submits.
    assert (settings["executable"], settings["transfer_executable"]) == ("/app/entrypoint.sh", "false")


@pytest.mark.slow
def test_the_workflow_fits_github_s_schema(tmp_path: Path) -> None:
    assert len(WORKFLOWS) == 1
    workflow = tmp_path / "workflow.yml"
    workflow.write_text(WORKFLOWS[0].text, "utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(workflow)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_pod_keeps_the_entrypoint_and_names_a_user() -> None:
    """Kubernetes' `command` replaces the entrypoint, and the image has no user that `runAsNonRoot` could see."""
    jobs = [yaml.safe_load(block.text) for block in BLOCKS if "kind: Job" in block.text]
    containers = [container for job in jobs for container in job["spec"]["template"]["spec"]["containers"]]
    assert len(containers) == 1
    assert "command" not in containers[0]
    assert containers[0]["securityContext"]["runAsUser"] > 0
    assert containers[0]["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108


def test_links_to_headings_lead_somewhere() -> None:
    text = PAGE.read_text("utf-8")
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"(?m)^##+ (.+)$", text)
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links
    assert links <= headings

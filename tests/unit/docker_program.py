"""A stand-in for docker on the PATH: writes down each start, and builds "images" that it pushes to a registry.

What an image holds is its labels, so that a build and a push of the same labels have the same configuration, as
with a builder that keeps its cache. Notes are marshalled: importing `json` takes longer than the rest of a start.
"""

from __future__ import annotations

import marshal
import os
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """\
import marshal, os, sys
words = sys.argv[1:]
folder = {folder!r}
behaviour = marshal.load(open(folder + "/behaviour", "rb"))
after = lambda flag: [words[at + 1] for at, word in enumerate(words) if word == flag]
files = after("--file") if words[:2] == ["buildx", "build"] else []
config_file = os.environ.get("DOCKER_CONFIG", "") + "/config.json"
with open(folder + "/starts", "ab") as file:
    file.write(marshal.dumps({{
        "words": words, "env": dict(os.environ), "dockerfile": open(files[0]).read() if files else "",
        "login": open(config_file).read() if os.path.exists(config_file) else "",
    }}))
metadata_files = after("--metadata-file")
purpose = os.path.basename(metadata_files[0])[:-5] if metadata_files else " ".join(words[:2])
does = behaviour.get(" ".join([purpose, *after("--platform")]), behaviour.get(purpose, {{}}))
print(does.get("prints", ""), end="")
print(does.get("errors", ""), end="", file=sys.stderr)
if does.get("code"):
    sys.exit(does["code"])
if not metadata_files:
    sys.exit()
import hashlib, json
digest_of = lambda content: "sha256:" + hashlib.sha256(content).hexdigest()
labels = dict(label.split("=", 1) for label in after("--label"))
if does.get("another"):
    labels["another"] = "image"
config = json.dumps({{"config": {{"Labels": labels}}}}).encode()
manifest = {{
    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {{"mediaType": "c", "digest": digest_of(config), "size": len(config)}}, "layers": [],
}}
content = json.dumps(manifest).encode()
def ask(method, registry, path, data, kind="application/octet-stream"):
    head = [f"{{method}} {{path}} HTTP/1.1", f"host: {{registry}}", f"content-type: {{kind}}", "connection: close"]
    with socket.create_connection(registry.split(":")) as connection:
        lines = [*head, f"content-length: {{len(data)}}", "", ""]
        connection.sendall("\\r\\n".join(lines).encode() + data)
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert answer[:12] in {{"HTTP/1.1 201", "HTTP/1.1 202"}}, answer
    return answer
if "type=registry" in after("--output")[0]:
    import socket
    for tag in after("--tag")[: does.get("tags")]:
        name, _, tag = tag.rpartition(":")
        registry, _, repository = name.partition("/")
        opened = ask("POST", registry, "/v2/" + repository + "/blobs/uploads/", b"")
        upload = opened.partition("location: ")[2].partition("\\r")[0]
        ask("PUT", registry, upload + "&digest=" + digest_of(config), config)
        ask("PUT", registry, "/v2/" + repository + "/manifests/" + tag, content, manifest["mediaType"])
metadata = {{"containerimage.config.digest": digest_of(config), "containerimage.digest": digest_of(content)}}
metadata.update(does.get("metadata", {{}}))
if "no metadata" not in does:
    with open(metadata_files[0], "w") as file:
        file.write(does.get("written", json.dumps({{k: v for k, v in metadata.items() if v is not None}})))
"""

# The questions about engine and builder, and what only saves time, are not written down, and cost no Python.
_START = """\
#!/bin/sh
case "$*" in *prepare-check*) exit ;; esac
case "$1 $2" in
"version --format") echo linux/amd64 ;;
"buildx version") echo github.com/docker/buildx v0.20.0 ;;
"buildx inspect") printf 'Driver: docker-container\nPlatforms: linux/amd64*, linux/amd64/v2, linux/arm64\n' ;;
"context show") echo default ;;
*) exec {python} -I -S {program} "$@" ;;
esac
"""
_USUAL = {"image inspect": {"prints": "12345\n"}}


@dataclass(frozen=True)
class Start:
    """One start: the words after ``docker``, the variables, and what the files held that it was given."""

    words: list[str]
    env: dict[str, str]
    dockerfile: str
    login: str

    @property
    def purpose(self) -> str:
        """The build that it is, else its first two words."""
        files = self.after("--metadata-file")
        return Path(files[0]).stem if files else " ".join(self.words[:2])

    def after(self, flag: str) -> list[str]:
        return [self.words[at + 1] for at, word in enumerate(self.words) if word == flag]


@dataclass(frozen=True)
class DockerProgram:
    """The program, and what it did."""

    folder: Path

    @property
    def path(self) -> str:
        """The PATH with it first."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    def behave(self, **by_purpose: dict[str, Any]) -> None:
        """Have the builds and commands named here do something else; an underscore stands for a space."""
        behaviour = {**_USUAL, **{name.replace("_", " "): does for name, does in by_purpose.items()}}
        (self.folder / "behaviour").write_bytes(marshal.dumps(behaviour))

    def forget(self) -> None:
        """Forget every start."""
        (self.folder / "starts").unlink(missing_ok=True)

    @property
    def starts(self) -> list[Start]:
        """Every start, in order."""
        starts: list[Start] = []
        with suppress(FileNotFoundError, EOFError), (self.folder / "starts").open("rb") as file:
            while True:
                starts.append(Start(**marshal.load(file)))  # noqa: S302 - written by the program above
        return starts

    @property
    def purposes(self) -> list[str]:
        """What it was started for."""
        return [start.purpose for start in self.starts]


def docker_program(folder: Path) -> DockerProgram:
    """Make the program in a new folder."""
    folder.mkdir()
    made = DockerProgram(folder)
    made.behave()
    (folder / "program.py").write_text(_PROGRAM.format(folder=str(folder)))
    program = folder / "docker"
    words = {"python": sys.executable, "program": str(folder / "program.py")}
    program.write_text(_START.format(**{name: shlex.quote(word) for name, word in words.items()}))
    program.chmod(0o755)
    return made

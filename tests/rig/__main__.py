from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from tests.rig import rig
from tests.rig.errors import RigError
from tests.rig.folders import Folders


def main() -> int:
    """`python -m tests.rig up|down|status|env`; 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.rig", description="Real components to test with.")
    commands = parser.add_subparsers(required=True)
    for command, meaning in (
        (_up, "bring up what is not running"),
        (_down, "end everything and remove the state folder"),
        (_status, "say what runs"),
        (_env, 'print variables for a shell: eval "$(python -m tests.rig env)"'),
    ):
        commands.add_parser(command.__name__[1:], help=meaning).set_defaults(command=command)
    try:
        return int(parser.parse_args().command(Folders.from_environment(os.environ)))
    except RigError as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1


def _up(folders: Folders) -> int:
    start = time.monotonic()
    rig.up(folders, _say)
    _say(f"up ({time.monotonic() - start:.1f} s)")
    return _status(folders)


def _down(folders: Folders) -> int:
    rig.down(folders, _say)
    return 0


def _status(folders: Folders) -> int:
    components = rig.status(folders)
    for component in components:
        print(f"{'ok ' if component.healthy else 'BAD'} {component.component}: {component.detail}")
    return 0 if all(component.healthy for component in components) else 1


def _env(folders: Folders) -> int:
    for name, value in rig.running(folders).environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _say(line: str) -> None:
    print(f"rig: {line}\n", end="", flush=True)  # one write, as several threads speak


if __name__ == "__main__":
    sys.exit(main())

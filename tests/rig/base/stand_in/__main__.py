"""The command line: the sub-commands and flags of pixi that container builds use, and no others."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import VERSION
from .errors import NotProvidedError, PixiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .manifest import Environment, Manifest

_NOTE = f"This is not pixi but a stand-in for pixi {VERSION} in tests, made with py-rattler."


_LISTED = 5
"""From so many on, packages that were skipped are counted."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}\n\n{_NOTE} What it does not know it refuses; see 'pixi --help'.", file=sys.stderr)
        sys.exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is pixi's, or 2 for what this stand-in cannot do."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except PixiError as error:
        print(error, file=sys.stderr)
        return 1
    except NotProvidedError as error:
        print(f"error: this stand-in for pixi {VERSION} does not do this: {error}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pixi", description=_NOTE, allow_abbrev=False)
    parser.add_argument("-V", "--version", action="version", version=f"pixi {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    install = commands.add_parser("install", aliases=["i"], help="install environments", allow_abbrev=False)
    _add_common(install)
    install.add_argument("-e", "--environment", action="append", default=[])
    install.add_argument("-a", "--all", action="store_true")
    install.add_argument("--skip", action="append", default=[], metavar="PACKAGE")
    install.add_argument("--platform")
    install.set_defaults(run=_install)

    hook = commands.add_parser("shell-hook", aliases=["s"], help="print the activation script", allow_abbrev=False)
    _add_common(hook, update=True)
    hook.add_argument("-e", "--environment", default=_active_environment() or "default")
    hook.add_argument("-s", "--shell", default="bash", choices=["bash"])
    hook.add_argument("--json", action="store_true")
    hook.add_argument("--no-completions", action="store_true")
    hook.add_argument("--change-ps1", default="true", choices=["true", "false"])
    hook.set_defaults(run=_shell_hook)

    run = commands.add_parser("run", aliases=["r"], help="run a task or command", allow_abbrev=False)
    _add_common(run, update=True)
    run.add_argument("-e", "--environment", default=_active_environment())
    run.add_argument("command", nargs=argparse.REMAINDER)
    run.set_defaults(run=_run)

    listing = commands.add_parser("list", aliases=["ls"], help="list the locked packages", allow_abbrev=False)
    _add_common(listing, update=True)
    listing.add_argument("-e", "--environment", default=_active_environment() or "default")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    return parser


def _active_environment() -> str:
    """In an activated shell its environment is meant (EnvironmentName::from_arg_or_env_var of pixi)."""
    return os.environ.get("PIXI_ENVIRONMENT_NAME", "") if "PIXI_IN_SHELL" in os.environ else ""


def _add_common(parser: argparse.ArgumentParser, *, update: bool = False) -> None:
    parser.add_argument("-m", "--manifest-path")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    parser.add_argument("-q", "--quiet", action="count", default=0)
    parser.add_argument("--no-progress", action="store_true")
    parser.add_argument("--locked", action="store_true", default=_flag(parser, "PIXI_LOCKED", "--locked"))
    parser.add_argument("--frozen", action="store_true", default=_flag(parser, "PIXI_FROZEN", "--frozen"))
    if update:
        parser.add_argument("--as-is", action="store_true")
        no_install = _flag(parser, "PIXI_NO_INSTALL", "--no-install")
        parser.add_argument("--no-install", action="store_true", default=no_install)


def _flag(parser: argparse.ArgumentParser, variable: str, flag: str) -> bool:
    value = os.environ.get(variable, "false")
    if value not in {"true", "false"}:
        parser.error(f"invalid value '{value}' for '{flag}'\n  [possible values: true, false]")
    return value == "true"


def _find(parsed: argparse.Namespace) -> Manifest:
    from . import manifest

    return manifest.find(parsed.manifest_path, Path.cwd(), dict(os.environ))


def _install(parsed: argparse.Namespace) -> int:
    from . import machine, prefix

    manifest = _find(parsed)
    named = list(dict.fromkeys(parsed.environment)) or [_active_environment() or "default"]
    names = list(manifest.environments) if parsed.all else named
    environments = [manifest.environment(name) for name in names]
    prefix.prepare_workspace(manifest)
    lock = prefix.load_lock(manifest, frozen=parsed.frozen, locked=parsed.locked, verbose=parsed.verbose > 0)
    skipped = []
    for environment in environments:
        request = prefix.Request(
            manifest=manifest, lock=lock, environment=environment, skip=parsed.skip, platform=parsed.platform
        )
        prefix.update(request)
        skipped.append(request.skipped())
    unmatched = sorted(set(parsed.skip) - set(skipped[0]))
    if unmatched and len(names) == 1:
        listed = ", ".join(unmatched)
        print(f" WARN The skipped arg(s) '{listed}' did not match any packages in the lock file", file=sys.stderr)
    if not parsed.quiet:
        print(f"{machine.emoji('✔ ')}{_installed(names, skipped[0])}.", file=sys.stderr)
    return 0


def _installed(names: Sequence[str], skipped: Sequence[str]) -> str:
    if len(names) > 1:
        return f"The following environments have been installed: {', '.join(names)}"
    text = f"The {names[0]} environment has been installed"
    listed = "', '".join(skipped)
    if len(skipped) >= _LISTED:
        return f"{text} excluding '{listed}' and {len(skipped)} other packages"
    return f"{text} excluding '{listed}'" if skipped else text


def _bring_up_to_date(parsed: argparse.Namespace, manifest: Manifest, environment: Environment) -> None:
    """What run and shell-hook do first: nothing with --as-is, otherwise check the lock and install if need be."""
    from . import prefix

    prefix.prepare_workspace(manifest)
    if parsed.as_is or (parsed.frozen and parsed.no_install and not parsed.locked):
        return
    lock = prefix.load_lock(manifest, frozen=parsed.frozen, locked=parsed.locked, verbose=parsed.verbose > 0)
    request = prefix.Request(manifest=manifest, lock=lock, environment=environment)
    if not parsed.no_install and not prefix.is_current(request):
        prefix.update(request)


def _shell_hook(parsed: argparse.Namespace) -> int:
    from . import activation

    manifest = _find(parsed)
    environment = manifest.environment(parsed.environment)
    _bring_up_to_date(parsed, manifest, environment)
    executable = _executable()
    if parsed.json:
        found = list(activation.variables(manifest, environment, executable).items())
        scripts = [str(path) for path in activation.scripts_of_manifest(manifest, environment)]
        shuffled = dict(random.sample(found, len(found)))
        print(
            json.dumps({"environment_variables": shuffled, "activation_scripts": scripts}, separators=(",", ":"))
        )
    else:
        completions, change_ps1 = not parsed.no_completions, parsed.change_ps1 == "true"
        text = activation.script(manifest, environment, executable, completions=completions, change_ps1=change_ps1)
        print(text)
    return 0


def _run(parsed: argparse.Namespace) -> int:
    from . import tasks

    manifest = _find(parsed)
    words = parsed.command[1:] if parsed.command[:1] == ["--"] else parsed.command
    chosen = tasks.choose(manifest, parsed.environment, words)
    ordered = tasks.in_order(manifest, chosen)
    for environment in {one.environment.name: one.environment for one in ordered}.values():
        _bring_up_to_date(parsed, manifest, environment)
    return tasks.execute(manifest, ordered, _executable())


def _list(parsed: argparse.Namespace) -> int:
    from . import listing, prefix

    manifest = _find(parsed)
    environment = manifest.environment(parsed.environment)
    frozen = parsed.frozen or parsed.as_is
    lock = prefix.load_lock(manifest, frozen=frozen, locked=parsed.locked, verbose=parsed.verbose > 0)
    request = prefix.Request(manifest=manifest, lock=lock, environment=environment)
    try:
        rows = listing.rows(request)
    except prefix.UnsupportedError:
        message = f"no platform supported by environment '{environment.name}' matches the current system"
        raise PixiError(message) from None
    if parsed.json:
        print(json.dumps(rows, indent=2))
        return 0
    if environment.name != "default":
        print(f"Environment: {environment.name}", file=sys.stderr)
    if platform := prefix.installed_for(request.prefix):
        print(f"Installed for: {platform}", file=sys.stderr)
    print(listing.table(rows))
    return 0


def _executable() -> str:
    return os.environ.pop("PIXI_STAND_IN_EXE", "") or sys.argv[0]


if __name__ == "__main__":
    sys.exit(main())

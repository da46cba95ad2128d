"""The command line. Inputs come from ``INPUT_*`` variables in a workflow, and from flags on a laptop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pixi_container import __version__
from pixi_container.display import has_commands, json_text, shown_path, without_commands
from pixi_container.errors import UserError
from pixi_container.input_table import INPUTS
from pixi_container.inputs import parse_inputs, texts_in
from pixi_container.log import TerminalLog, log_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixi_container.environments_report import EnvironmentsReport
    from pixi_container.index_report import IndexReport
    from pixi_container.inputs import Inputs
    from pixi_container.log import Log
    from pixi_container.plan.index_plan import IndexPlan
    from pixi_container.plan.plan import Plan
    from pixi_container.registry.client import Registry
    from pixi_container.report import Report
    from pixi_container.request import Request
    from pixi_container.runner.event import Event
    from pixi_container.settings import Setting


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run one command and return its exit code, see ``EXIT_CODES``; an invalid command line exits the process."""
    from pixi_container.interrupts import Interrupted, stop_on_signals

    env = os.environ if env is None else env
    options = _parser().parse_args(argv)
    log = log_for(env)
    try:
        with stop_on_signals():
            return COMMANDS[options.subcommand].run(options, env, log)
    except UserError as error:
        log.error(_located(error, options))
        return error.exit_code
    except Interrupted as interrupted:
        log.error(UserError(f"stopped by {interrupted}; nothing is left on this machine"))
        return 128 + interrupted.number
    except BrokenPipeError:
        # The reader of the output, such as `head`, has exited; nobody is left to report to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception:  # noqa: BLE001 - whatever it is, it is shown
        log.error(UserError("this is a bug in pixi-container; please report it and include the lines below"))
        log.say(traceback.format_exc())
        return 1


def _run(options: argparse.Namespace, env: Mapping[str, str], log: Log) -> int:
    return _ship(options, env, log, keep=False)


def _build(options: argparse.Namespace, env: Mapping[str, str], log: Log) -> int:
    return _ship(options, env, log, keep=True)


def _ship(options: argparse.Namespace, env: Mapping[str, str], log: Log, *, keep: bool) -> int:
    from pixi_container.request import request_for
    from pixi_container.ship import ship

    inputs = _masked_inputs(options, env, log)
    if options.settings:
        log.say(f"Settings of the manifest: {', '.join(options.settings)}")
    event = _event(inputs, env)
    report: Report | IndexReport | EnvironmentsReport
    if inputs.environment_patterns:
        from pixi_container.environments_report import EnvironmentsReport
        from pixi_container.ship_environments import ship_environments

        requests = {
            name: request_for(event, each, dict(env), keep=keep)
            for name, each in _inputs_by_environment(inputs, options, env).items()
        }
        report = EnvironmentsReport(ship_environments(requests, log))
    else:
        report = ship(request_for(event, inputs, env, keep=keep), log)
    return _reported(report, log)


def _reported(report: Report | IndexReport | EnvironmentsReport, log: Log) -> int:
    """Report what was done and the errors of environments that failed; return the exit code, that of the first."""
    from pixi_container.runner.outputs import write_outputs, write_summary

    write_outputs(report.outputs())
    if trouble := write_summary(report.summary()):
        log.warning(trouble)
    log.say("\n" + report.text())
    return _told({each.environment: each.error for each in getattr(report, "failed", ())}, log)


def _told(errors: Mapping[str, UserError], log: Log) -> int:
    for name, error in errors.items():
        message = f"environment '{name}': {error.message}"
        log.error(UserError(message, hint=error.hint, file=error.file, line=error.line))
    return next((error.exit_code for error in errors.values()), 0)


def _matrix(options: argparse.Namespace, env: Mapping[str, str], log: Log) -> int:
    from pixi_container.matrix import plan_matrix
    from pixi_container.runner.outputs import write_outputs, write_summary

    inputs = _masked_inputs(options, env, log)
    matrix, failed = plan_matrix(_requests_for_jobs(inputs, options, env), inputs.runners, log)
    if failed:
        return _told(failed, log)
    write_outputs(matrix.outputs())
    if trouble := write_summary(matrix.summary()):
        log.warning(trouble)
    if _in_workflow(env):
        log.say("\n" + matrix.text())
    else:
        print(json_text(matrix.as_json(), indent=2))
    return 0


def _merge(options: argparse.Namespace, env: Mapping[str, str], log: Log) -> int:
    from dataclasses import replace

    from pixi_container.inputs import image_by_digest
    from pixi_container.merge import MergeReport, merge
    from pixi_container.request import may_push
    from pixi_container.runner.outputs import write_outputs

    inputs = _masked_inputs(options, env, log)
    digests = (*inputs.digests, *(image_by_digest(text, "the command line") for text in options.images))
    pushes, why_not = may_push(_event(inputs, env), inputs)
    if not pushes:
        log.say(f"No tag is put on any image, because {why_not}.")
        write_outputs({**MergeReport(()).outputs(), "decision": "skip", "reason": why_not})
        return 0
    requests = _requests_for_jobs(inputs, options, env)
    requests = {name: replace(request, merges=True) for name, request in requests.items()}
    report = merge(requests, inputs.runners, digests, log)
    return _reported(report, log)


def _masked_inputs(options: argparse.Namespace, env: Mapping[str, str], log: Log) -> Inputs:
    """Return the inputs, whose secrets the log hides from here on."""
    inputs = _inputs(options, env)
    for secret in inputs.secrets:
        log.mask(secret)
    return inputs


def _requests_for_jobs(inputs: Inputs, options: argparse.Namespace, env: Mapping[str, str]) -> dict[str, Request]:
    """Return the request for the image of each environment of each workspace, by the name that it is shown as."""
    from pathlib import Path, PurePosixPath

    from pixi_container.request import request_for
    from pixi_container.workspace.several import chosen_manifests

    event = _event(inputs, env)
    if not inputs.contexts:
        images = _inputs_by_name(inputs, options, env)
    else:
        images = {}
        for manifest in chosen_manifests(Path(inputs.context), inputs.contexts):
            folder = str(PurePosixPath(manifest).parent)
            place = {"context": str(Path(inputs.context, folder)), "manifest-path": PurePosixPath(manifest).name}
            by_name = _inputs_by_name(_inputs(options, env, place), options, env)
            images |= {f"{folder}:{name}": each for name, each in by_name.items()}
    for each in images.values():
        if each.refresh:
            raise UserError(
                "input 'refresh' cannot be true where jobs build the images: each would have a base of its own",
                hint="Have the action build them anew in one step, which takes 'environments' and 'platforms'.",
            )
    return {name: request_for(event, each, env) for name, each in images.items()}


def _inputs_by_name(inputs: Inputs, options: argparse.Namespace, env: Mapping[str, str]) -> dict[str, Inputs]:
    """Return the inputs for each image, by its environment."""
    if inputs.environment_patterns:
        return _inputs_by_environment(inputs, options, env)
    return {inputs.environment: inputs}


def _plan(options: argparse.Namespace, env: Mapping[str, str], _log: Log) -> int:
    from pixi_container.plan.gather import plan_image, plan_platforms
    from pixi_container.plan.looked_up import LookedUp
    from pixi_container.request import registry_client, request_for

    inputs = _inputs(options, env)
    event = _event(inputs, env)
    by_name = _inputs_by_name(inputs, options, env)
    requests = {name: request_for(event, each, env) for name, each in by_name.items()}
    looked_up = LookedUp(env)
    plans: dict[str, Plan | IndexPlan] = {}
    with registry_client(next(iter(requests.values()))) as registry:
        asked = None if options.offline else registry
        for name, request in requests.items():
            platforms = plan_platforms(
                request, TerminalLog(), asked, tolerant=options.offline, looked_up=looked_up
            )
            if options.explain_against:
                return _explain(options, registry, platforms[0].plan)
            plans[name] = plan_image(request, platforms, asked)
    if options.json:
        values = {name: plan.as_json() for name, plan in plans.items()}
        print(json_text(values if inputs.environment_patterns else values[inputs.environment], indent=2))
    else:
        print(without_commands("\n\n".join(plan.as_text() for plan in plans.values())))
    return 0


def _explain(options: argparse.Namespace, registry: Registry, plan: Plan) -> int:
    """Print the parts in which an image differs from the planned one."""
    from pixi_container.plan.existing import compare
    from pixi_container.registry.reference import parse_reference

    reference = parse_reference(options.explain_against, source="--explain-against")
    differences = compare(registry, reference, plan.definition)
    if options.json:
        print(json_text({"image": str(reference), "differences": differences}, indent=2))
    elif differences:
        print(without_commands("\n".join(f"{name}: {meaning}" for name, meaning in differences.items())))
    else:
        print("nothing differs")
    return 0


def _changes(options: argparse.Namespace, env: Mapping[str, str], _log: Log) -> int:
    from pixi_container.plan.gather import changes_between, changes_of
    from pixi_container.request import request_for

    inputs = _inputs(options, env)
    request = request_for(_event(inputs, env), inputs, env)
    log = TerminalLog()
    base, head = options.base, options.head
    changes = changes_between(request, base, head) if base else changes_of(request, log)
    if options.json:
        print(json_text({**changes.as_json(), "relevant": changes.relevant}, indent=2))
        return 0
    print(without_commands(changes.reason))
    for file in changes.relevant:
        print(shown_path(file))
    return 0


def _render(options: argparse.Namespace, env: Mapping[str, str], _log: Log) -> int:
    from pixi_container.plan.gather import plan_for
    from pixi_container.request import request_for

    inputs = _inputs(options, env)
    plan = plan_for(request_for(_event(inputs, env), inputs, env), TerminalLog(), None)
    dockerfile = plan.definition.dockerfile
    if _in_workflow(env) and has_commands(dockerfile):
        raise UserError(
            "the Dockerfile contains text that the runner would execute as a command, so it is not printed",
            hint="The runner reads lines that start with :: or ##[. Run `render` outside of a workflow instead.",
        )
    sys.stdout.write(dockerfile)
    return 0


def _tags(options: argparse.Namespace, env: Mapping[str, str], _log: Log) -> int:
    from pixi_container.image.metadata import offline_metadata

    inputs = _inputs(options, env)
    metadata = offline_metadata(_event(inputs, env), inputs, env)
    for note in metadata.notes:
        TerminalLog().warning(note)
    print(json_text(metadata.as_json(), indent=2) if options.json else "\n".join(metadata.tags))
    return 0


def _init(options: argparse.Namespace, env: Mapping[str, str], _log: Log) -> int:
    from pathlib import Path

    from pixi_container.init.initialise import initialise

    inputs = _inputs(options, env)
    diff = initialise(
        Path(inputs.context),
        inputs.manifest_path,
        env,
        lambda line: print(without_commands(line)),
        environment=" ".join(inputs.environments) if "environment" in options.given else "",
        dockerfile=options.from_dockerfile,
        force=options.force,
        dry_run=options.dry_run,
        lock=options.lock,
    )
    if diff:
        print(without_commands(diff), end="")
    return 0


class Subcommand(NamedTuple):
    """A command of the command line: its function and its purpose."""

    run: Callable[[argparse.Namespace, Mapping[str, str], Log], int]
    purpose: str


COMMANDS = {
    "run": Subcommand(_run, "build, test and push, as the action does"),
    "build": Subcommand(
        _build, "build and test on this machine, and keep the image in the local engine under its tags"
    ),
    "plan": Subcommand(_plan, "say what would be done, and do nothing"),
    "matrix": Subcommand(_matrix, "say as JSON which jobs of a workflow have an image to build"),
    "merge": Subcommand(_merge, "put the tags on the images that jobs built and tested, and build nothing"),
    "render": Subcommand(_render, "print the Dockerfile"),
    "changes": Subcommand(_changes, "say what changed, and which of it matters to the image"),
    "tags": Subcommand(_tags, "compute version, tags, labels and annotations"),
    "init": Subcommand(_init, "write a workflow and settings, from the Dockerfile and workflow that there are"),
}


def _inputs(options: argparse.Namespace, env: Mapping[str, str], place: Mapping[str, str] | None = None) -> Inputs:
    """Return the inputs: a flag wins, then the ``INPUT_*`` variable, then the manifest's settings.

    ``place`` takes precedence over all. Outside of a workflow, nothing is pushed unless ``push`` is set.
    """
    from pathlib import Path

    from pixi_container.settings import read_settings

    flags = {row.name: getattr(options, row.variable, None) for row in INPUTS}
    given = texts_in(env) | {name: value for name, value in flags.items() if value is not None} | dict(place or {})
    given = {name: value for name, value in given.items() if value.strip()}
    where = parse_inputs({name: given[name] for name in ("context", "manifest-path") if name in given})
    settings = read_settings(Path(where.context), where.manifest_path)
    if "environments" in given:
        settings = settings.for_every_environment
    options.settings = settings.beside(given)
    options.given = given
    return parse_inputs(_texts(options.settings, given, env))


def _inputs_by_environment(
    inputs: Inputs, options: argparse.Namespace, env: Mapping[str, str]
) -> dict[str, Inputs]:
    """Return the inputs for each of the environments that are chosen, with the manifest's settings for it."""
    from pathlib import Path

    from pixi_container.image_choice import chosen_environments, told_apart
    from pixi_container.settings import located, settings_of
    from pixi_container.workspace.manifest import read_manifest

    manifest = read_manifest(Path(inputs.context), inputs.manifest_path)
    names = chosen_environments(inputs.environment_patterns, manifest.environment_names)
    settings = settings_of(manifest)
    by_name = {}
    for name in names:
        given = {**options.given, "environment": name}
        del given["environments"]
        used = settings.beside(given)
        texts = _texts(used, given, env)
        try:
            by_name[name] = parse_inputs(told_apart(texts) if names[1:] else texts)
        except UserError as error:
            raise located(error, used) from error
    return by_name


def _texts(settings: Mapping[str, Setting], given: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    texts = {name: setting.text for name, setting in settings.items()} | dict(given)
    return texts if _in_workflow(env) else {"push": "false"} | texts


def _located(error: UserError, options: argparse.Namespace) -> UserError:
    """Return the error with its place in the manifest if it is about a value from there."""
    used = getattr(options, "settings", None)
    if not used:
        return error
    from pixi_container.settings import located

    return located(error, used)


def _in_workflow(env: Mapping[str, str]) -> bool:
    return env.get("GITHUB_ACTIONS") == "true" or bool(env.get("GITHUB_EVENT_NAME"))


def _event(inputs: Inputs, env: Mapping[str, str]) -> Event:
    from pathlib import Path

    from pixi_container.runner.checkout import local_event
    from pixi_container.runner.event import event_from_environment

    if _in_workflow(env):
        return event_from_environment(env)
    return local_event(Path(inputs.context), env)


def _parser() -> argparse.ArgumentParser:
    secrets = ", ".join(row.variable for row in INPUTS if row.is_secret)
    parser = argparse.ArgumentParser(
        prog="pixi-container",
        description="Ship a Pixi environment as a container image.",
        epilog=f"Secrets are read only from variables: {secrets}.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for name, (_, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        _add_inputs(command, name)
        if name in {"plan", "changes", "tags"}:
            command.add_argument("--json", action="store_true", help="print JSON")
        if name == "plan":
            command.add_argument("--offline", action="store_true", help="ask neither registry nor engine")
            command.add_argument(
                "--explain-against",
                metavar="IMAGE",
                help="name the parts in which IMAGE differs from the planned one",
            )
        if name == "init":
            _add_init_flags(command)
        if name == "merge":
            command.add_argument(
                "images", nargs="*", metavar="IMAGE@DIGEST", help="what the tags would go on must have this image"
            )
        if name == "changes":
            command.add_argument("--base", metavar="REVISION", help="compare with this revision of the checkout")
            command.add_argument(
                "--head", metavar="REVISION", default="HEAD", help="what to compare (default: HEAD)"
            )
    return parser


def _add_init_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from-dockerfile",
        metavar="PATH",
        default="",
        help="take over this Dockerfile of the repository",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be written as a diff")
    parser.add_argument("--force", action="store_true", help="overwrite the workflow and the settings that exist")
    parser.add_argument("--lock", action="store_true", help="run `pixi lock` first")


def _add_inputs(parser: argparse.ArgumentParser, command: str) -> None:
    """Add a flag for each input; a flag that the command does not use is hidden and rejected."""
    group = parser.add_argument_group("inputs, as in a workflow")
    for row in INPUTS:
        if row.is_secret:
            # Every user of the machine can see command lines.
            continue
        flag = f"--{row.name}"
        if command in row.commands:
            default = f" (default: {row.default})" if row.default else ""
            group.add_argument(
                flag, dest=row.variable, metavar="TEXT", help=(row.help + default).replace("%", "%%")
            )
        else:
            group.add_argument(flag, action=_UnusedInput, const=row.commands, help=argparse.SUPPRESS)


class _UnusedInput(argparse.Action):
    """The flag of an input that the command does not use; ``const`` lists the commands that do."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.error(f"{self.option_strings[0]} has no effect here; it applies to {', '.join(self.const)}")

from __future__ import annotations

import gc
import os
from itertools import groupby
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

# Of `make unit` and `make security`: few examples, and the same ones each time. `make test` has Hypothesis' own.
settings.register_profile("quick", max_examples=10, derandomize=True, database=None, deadline=None)


_ON_THE_RIG = [Path(__file__).parent / name for name in ("end_to_end", "real", "rig")]

_IN_MINUTES = [
    Path(__file__).parent / name
    for name in (
        "real",
        "rig/test_platforms.py",
        "rig/test_stand_in_pixi.py",
        "end_to_end/test_act.py",
        "end_to_end/test_base.py",
        "end_to_end/test_fetched_source.py",
        "end_to_end/test_layers.py",
        "end_to_end/test_own_dockerfile.py",
        "end_to_end/test_platforms.py",
        "end_to_end/test_random_walk.py",
        "end_to_end/test_several_environments.py",
        "end_to_end/test_shapes_of_services.py",
        "end_to_end/test_shapes_of_tools.py",
        "end_to_end/test_sif.py",
        "end_to_end/test_workspace_below_context.py",
    )
]
"""What takes minutes more than `make test` has: it is in `make slow`, but for one test of each feature."""

_LARGE_TABLE = 9
_EACH = 3
"""Of a table with so many cases, `make unit` has each third; `make test` and `make mutants` have them all."""

_OF_EACH = {
    "test_a_base_is_made_once_and_changes_alone",
    "test_a_builder_is_made_of_nodes_for_one_run",
    "test_a_machine_without_emulation_publishes_both_platforms",
    "test_a_sif_has_what_a_container_has_and_is_made_once",
    "test_with_emulation_an_image_for_arm64_runs",
    "test_they_are_added_to_an_environment_straight_from_the_lock",
    "test_arguments_contexts_secrets_and_stages",
    "test_compiled_modules_stay_valid",
    "test_each_environment_starts_and_the_first_is_active[direct]",
    "test_packages_of_siblings_and_of_the_root",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the rig, so that the rest can run in several processes, and what takes minutes more."""
    for path, its in groupby(items, key=lambda item: item.path):
        on_the_rig = any(path.is_relative_to(folder) for folder in _ON_THE_RIG)
        in_minutes = any(path.is_relative_to(place) for place in _IN_MINUTES)
        for item in its:
            if on_the_rig:
                item.add_marker(pytest.mark.engine)
            if in_minutes and item.name not in _OF_EACH:
                item.add_marker(pytest.mark.slow)
    for _, cases in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        _leave_cases_out(list(cases))


def _leave_cases_out(cases: list[pytest.Item]) -> None:
    """Mark what `make unit` does without of the cases of a large table."""
    if len(cases) >= _LARGE_TABLE:
        for number, case in enumerate(cases):
            if number % _EACH:
                case.add_marker(pytest.mark.more_cases)


def pytest_collection_finish() -> None:
    """Have no later collection of garbage go through the thousands of tests again."""
    gc.freeze()


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Have a worker of xdist tell only what a test came to, as its other messages take longer than most tests."""
    if not hasattr(item.config, "workerinput") or item.config.getoption("durations"):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def pytest_report_header() -> str:
    """Say which pixi the tests on real components run, as what they prove depends on it."""
    from tests.rig import rig
    from tests.rig.errors import RigError
    from tests.rig.folders import Folders

    try:
        return (
            f"pixi in the builder image: {rig.pixi_for_people(Folders.from_environment(os.environ), os.environ)}"
        )
    except RigError as error:
        raise pytest.UsageError(str(error)) from error

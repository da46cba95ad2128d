"""Rendering a template: the default one here, a user-supplied one in a limited process, which runs this file.

Whoever opens a pull request may write a template. Jinja's sandbox keeps it from our objects, and neither from an
endless loop nor from a text that is larger than memory: https://jinja.palletsprojects.com/en/stable/sandbox/.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

CPU_SECONDS = 2
MEMORY_BYTES = 256 * 1024**2
OUTPUT_CHARACTERS = 4 * 1024**2

_TOO_LARGE = f"it takes more than {MEMORY_BYTES // 1024**2} MB of memory"
_WALL_SECONDS = 30
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of the default template; ``values`` are JSON values."""
    return _compiled(template).render(values)


def render_apart(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of a user-supplied template, rendered in a limited process that has no secret.

    Raises ``UserError`` for a mistake in it, with its line where Jinja tells it, and when it takes too much.
    """
    from pixi_container.errors import UserError
    from pixi_container.processes import capture

    hint = "Its variables are described in docs/template.md."
    # Isolated, without site-packages: neither the checkout nor the environment decides what is imported.
    argv = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(Path(__file__)), *_search_path()]
    done = capture(argv, env={}, given=json.dumps([template, values]), cwd="/", seconds=_WALL_SECONDS)
    try:
        answer: dict[str, str] = json.loads(done.output) if done.code == 0 else {}
    except ValueError:
        answer = {}
    if "text" in answer:
        return answer["text"]
    if "refused" in answer:
        raise UserError(answer["refused"])
    killed = (
        "more than the available stack" if done.code == -signal.SIGSEGV else f"more than {CPU_SECONDS} seconds"
    )
    problem = answer.get("problem") or (f"it takes {killed}" if done.code < 0 else _TOO_LARGE)
    raise UserError(f"the template cannot be rendered: {problem}", hint=hint)


def _search_path() -> list[str]:
    """Return the folders of what the process imports, and no other, as the working folder may be the checkout."""
    import jinja2
    import markupsafe

    import pixi_container

    files = (pixi_container.__file__, jinja2.__file__, markupsafe.__file__)
    return list(dict.fromkeys(str(Path(file).resolve().parents[1]) for file in files if file))


@lru_cache(maxsize=1)
def _compiled(template: str) -> Template:
    """Return the template compiled, as a run renders it several times; rendering leaves nothing behind in it."""
    return _environment().from_string(template)


def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters = {
        "json": json.dumps,
        "paths": _quoted_for_copy,
        "env": _quoted_for_env,
        "shell": quoted_for_shell,
    }
    return environment


def _quoted_for_env(value: str) -> str:
    """Quote for ENV: https://docs.docker.com/reference/dockerfile/#environment-replacement."""
    _check_controls(value, "be a variable of an image")
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def _quoted_for_copy(paths: list[str]) -> str:
    """Quote for COPY, which takes single quotes away even inside of JSON; what else it reads is refused before."""
    return json.dumps([path.replace("'", "\\'") for path in paths])


def quoted_for_shell(value: str) -> str:
    """Return a word of the shell. Raises ``UserError`` for a value with a control character."""
    _check_controls(value, "be exported")
    return shlex.quote(value)


def _check_controls(value: str, purpose: str) -> None:
    if CONTROL.search(value):
        from pixi_container.errors import UserError
        from pixi_container.shortening import shortened

        raise UserError(f"a value contains a control character and cannot {purpose}: {shortened(repr(value))}")


def _limit() -> None:
    import resource

    # The second of the CPU limits is for a handler of the first, which there is not.
    for limit, soft, hard in (
        (resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1),
        (resource.RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        # Not every system has all of them; the time is limited by our caller as well.
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (soft, hard))


def _answer(template: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the text, or what is wrong with the template or a value of the workspace."""
    from jinja2 import TemplateSyntaxError

    from pixi_container.errors import UserError
    from pixi_container.shortening import shortened

    try:
        text = render(template, values)
        text.encode("utf-8")
    except UserError as error:
        return {"refused": error.message}
    except MemoryError:
        return {"problem": _TOO_LARGE}
    except RecursionError:
        return {"problem": "it is nested too deeply, or calls itself without end"}
    except Exception as error:  # noqa: BLE001 - a template can raise whatever its expressions do
        line = error.lineno if isinstance(error, TemplateSyntaxError) else _line_of(error)
        where = f" (line {line})" if line else ""
        return {"problem": f"{shortened(str(error) or type(error).__name__, 400)}{where}"}
    if len(text) > OUTPUT_CHARACTERS:
        return {"problem": f"its text is longer than {OUTPUT_CHARACTERS} characters"}
    return {"text": text}


def _line_of(error: Exception) -> int:
    """Return the template's line that raised an error, as Jinja has it in the traceback; 0 if there is none."""
    import traceback

    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return (lines and lines[-1]) or 0


def _main() -> None:
    sys.path[:0] = sys.argv[1:]
    _limit()
    template, values = json.loads(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(_answer(template, values)))


if __name__ == "__main__":
    _main()

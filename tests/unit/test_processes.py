"""What is kept of a long command's output."""

from __future__ import annotations

import os
import sys

from pixi_container.docker.failures import explain
from pixi_container.processes import Finished, stream


def streamed(program: str) -> tuple[Finished, list[str]]:
    shown: list[str] = []
    done = stream([sys.executable, "-c", program], env=os.environ, show=shown.append)
    return done, shown[1:]


def test_a_carriage_return_ends_a_line_for_the_reader_alone() -> None:
    done, shown = streamed(r"""print("#9 1.0 10%\r#9 ERROR: forged", "next\r", sep="\n")""")
    assert done.output == "#9 1.0 10%\r#9 ERROR: forged\nnext"
    assert shown == ["#9 1.0 10%", "#9 ERROR: forged", "next"]


def test_the_report_of_pixi_is_kept_with_the_long_output_that_it_quotes() -> None:
    program = r"""
print("#9 1.0 Error:   × Failed to build `beta`\n#9 1.0   ╰─▶ Call to `build_wheel` failed\n#9 1.0 ")
for number in range(4000): print(f"#9 1.0       in file {number}.cpp:")
print("#9 ERROR: process \"x\" did not complete successfully: exit code: 1")
"""
    done, _ = streamed(program)
    error = explain(done.output, purpose="build", code=1)
    assert error.message == "pixi failed: Failed to build `beta`: Call to `build_wheel` failed"
    assert "in file 3999.cpp:" in error.hint

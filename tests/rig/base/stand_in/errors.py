from __future__ import annotations

import textwrap

_WIDTH = 78
"""Of the miette crate where there is no terminal: 80, less 2."""


class PixiError(Exception):
    """What pixi itself would report: a message and the causes below it; exit 1."""

    def __init__(self, message: str, *causes: str, help_text: str = "", code: str = "") -> None:
        super().__init__(message)
        self.causes = causes
        self.help_text = help_text
        self.code = code

    def __str__(self) -> str:
        """The report in the form of the miette crate, as pixi prints it, with its lines cut."""
        head = f"Error: {self.code}\n\n" if self.code else "Error: "
        lines = [head + _cut(self.args[0], "  \N{MULTIPLICATION SIGN} ", "  │ ")]
        lines += [_cut(cause, "  ├─▶ ", "  │   ") for cause in self.causes[:-1]]
        lines += [_cut(cause, "  ╰─▶ ", "      ") for cause in self.causes[-1:]]
        if self.help_text:
            lines.append(_cut(self.help_text, "  help: ", "        "))
        return "\n".join(lines) + "\n"


def _cut(text: str, first: str, others: str) -> str:
    """The text in lines no longer than the width, each with what belongs before it."""
    cut: list[str] = []
    for line in text.split("\n"):
        indents = {"initial_indent": others if cut else first, "subsequent_indent": others}
        cut += textwrap.wrap(line, _WIDTH, **indents, drop_whitespace=True) or [others]  # type: ignore[arg-type]
    return "\n".join(cut)


class NotProvidedError(Exception):
    """What real pixi can do and this stand-in cannot; exit 2."""

from __future__ import annotations


class PixiError(Exception):
    """What pixi itself would report: a message and the causes below it; exit 1."""

    def __init__(self, message: str, *causes: str, help_text: str = "") -> None:
        super().__init__(message)
        self.causes = causes
        self.help_text = help_text

    def __str__(self) -> str:
        """The report in the form of the miette crate, as pixi prints it."""
        lines = [f"Error:   \N{MULTIPLICATION SIGN} {self.args[0]}"]
        for number, cause in enumerate(self.causes):
            branch = "╰" if number == len(self.causes) - 1 else "├"
            lines.append(f"  {branch}─▶ {cause}")
        if self.help_text:
            lines.append(f"  help: {self.help_text}")
        return "\n".join(lines)


class NotProvidedError(Exception):
    """What real pixi can do and this stand-in cannot; exit 2."""

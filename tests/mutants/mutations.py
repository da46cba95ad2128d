"""What is changed: one place of a Python file by its syntax, or one line of a script by its text.

Wording is left alone: messages of errors and logs, docstrings, and every text of several words. So is what does
nothing when the program runs: comments, types, ``if TYPE_CHECKING`` and ``__all__``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(), ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(), ast.In: ast.NotIn(), ast.NotIn: ast.In(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is(),
}  # fmt: skip
_TYPE = re.compile(r"(Literal|tuple|list|dict|Callable)\[")
_QUANTIFIERS = [("+", "*"), ("*", "+"), ("?", ""), ("{1,", "{2,"), ("{0,", "{1,")]
_WORDING = re.compile(
    r"say|show|tell|warning|print|add_argument|TypeVar|\w*Error|assumed|not_consulted|invalid_url|_not_started"
)
_SCRIPT_CHANGES = [
    (r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "), (r"\[\[ -n ", "[[ -z "),
    (r"\[\[ -z ", "[[ -n "), (r"\[\[ -([fedxr]) ", r"[[ ! -\1 "), (r"\[\[ ! ", "[[ "), (r"\bif (?!\[|!)", "if ! "),
    (r"(?<=[\w)\]])\+(?=[^+=)])", "*"), (r"(?<=\d)(?=\b)", "1"),
    (r"'([\w/.-]{2,})'", r"'\1x'"), (r'"([\w/.-]{2,})"', r'"\1x"'),
    (r" > (?=\d)", " >= "), (r"\bnext\b", "exit"), (r"-type f\b", "-type d"), (r" -e ", " "), (r"\^", ""),
]  # fmt: skip
_SENTENCE_SPACES = 3
# The scripts run on this machine: what is removed, and the variables that say where, stay as they are.
_DANGEROUS = re.compile(r"\brm\b|\bfind\b|\bchmod -R|\bxargs\b|^((local|export) )?\w+=|^for \w+ in")
_NOTHING = {".sh": ":", ".awk": ""}
_NO_STATEMENT = re.compile(
    r"$|(fi|done|esac|else|then|do|set -\w+)\b|;;|[{}]|\w+\)|.*(\\|\||&&|\bthen|\bdo|\{|\(|;;)$"
)


@dataclass(frozen=True)
class Mutant:
    """One change: in ``file``, below the repository, at ``line``, and the whole text of the file with it."""

    file: str
    line: int
    change: str
    text: str


def mutants_of(root: Path, file: Path) -> list[Mutant]:
    """Return every mutant of a file, in the order of its lines."""
    text = file.read_text("utf-8")
    changes = _of_python(text) if file.suffix == ".py" else _of_script(text, _NOTHING[file.suffix])
    return [Mutant(str(file.relative_to(root)), line, change, mutated) for line, change, mutated in changes]


def _of_script(text: str, nothing: str) -> Iterator[tuple[int, str, str]]:
    lines = text.split("\n")

    def with_line(number: int, line: str) -> str:
        return "\n".join([*lines[:number], line, *lines[number + 1 :]])

    for number, line in enumerate(lines):
        code = line.strip()
        if code.startswith("#") or _DANGEROUS.search(code) or (number and lines[number - 1].endswith("\\")):
            continue
        if not _NO_STATEMENT.match(code):
            yield number + 1, f"without: {code}", with_line(number, line.replace(code, nothing))
        for old, new in _SCRIPT_CHANGES:
            for match in re.finditer(old, line):
                changed = line[: match.start()] + match.expand(new) + line[match.end() :]
                yield number + 1, f"{code} -> {changed.strip()}", with_line(number, changed)


def _of_python(text: str) -> Iterator[tuple[int, str, str]]:
    source = text.encode()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    seen = {text}
    for node, new in _changes(ast.parse(text)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        mutated = (source[:start] + new.encode() + source[end:]).decode()
        if mutated not in seen:
            seen.add(mutated)
            old = " ".join(source[start:end].decode().split())
            yield node.lineno, f"{old} -> {new}", mutated


def _changes(tree: ast.AST, *, in_function: bool = False) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield each place of a syntax tree that can be changed, with the text that takes its place."""
    for node in _parts(tree):
        if isinstance(node, ast.expr):
            yield from ((node, new) for new in _expressions(node))
        elif isinstance(node, ast.stmt):
            yield from _statements(node, in_function=in_function)
        inside = in_function or isinstance(tree, ast.FunctionDef | ast.Lambda)
        yield from _changes(node, in_function=inside)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the children of a node that do something, without types, docstrings and wording."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom | ast.Assert) or _is_type(node):
        return
    left_out: set[ast.AST] = set()
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if _WORDING.fullmatch(name):
            return
        left_out.update(keyword for keyword in node.keywords if keyword.arg in {"hint", "help"})
        left_out.update(node.args[:1] if name == "cast" else [])
    if isinstance(node, ast.ClassDef):
        left_out.update(node.decorator_list)
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "type_comment"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if isinstance(child, ast.AST) and child not in left_out and not is_docstring and not _is_type(child):
                yield child


def _is_type(node: ast.AST) -> bool:
    """Return whether only type checkers and ``import *`` see a node."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.annotation) == "TypeAlias"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__" or _TYPE.match(ast.unparse(node.value)) is not None
    return False


def _expressions(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        flipped = _COMPARISONS[type(node.ops[0])]
        yield f"({ast.unparse(ast.Compare(node.left, [flipped], node.comparators))})"
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"({ast.unparse(ast.BoolOp(other, node.values))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.IfExp):
        yield f"({ast.unparse(node.body)})"
        yield f"({ast.unparse(node.orelse)})"
    elif isinstance(node, ast.JoinedStr) and ast.unparse(node).count(" ") < _SENTENCE_SPACES:
        yield "'mutant'"
    elif isinstance(node, ast.Constant):
        yield from _constants(node.value)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
        yield from _patterns(node)


def _patterns(node: ast.Call) -> Iterator[str]:
    pattern = node.args[0]
    if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
        for old, new in _QUANTIFIERS:
            if old in pattern.value:
                changed = ast.Constant(pattern.value.replace(old, new, 1))
                yield ast.unparse(ast.Call(node.func, [changed, *node.args[1:]], node.keywords))


def _constants(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int | float):
        yield repr(value + 1)
    elif isinstance(value, str) and value.count(" ") < _SENTENCE_SPACES:
        yield repr(f"{value}x") if value else "'x'"


def _statements(node: ast.stmt, *, in_function: bool) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.If | ast.While):
        yield from ((node.test, forced) for forced in ("True", "False"))
    elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield node, "return None"
    elif isinstance(node, ast.AugAssign) or (in_function and isinstance(node, ast.Assign)):
        yield node, "pass"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = ast.unparse(node.value.func).rpartition(".")[2]
        if not _WORDING.fullmatch(name):
            yield node, "pass"

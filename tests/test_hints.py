"""What people are told to do next reads the same everywhere, as it stands behind "what to do: " or a semicolon."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway import errors
from tests.architecture import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = Path(__file__).parent.parent
ERRORS = {name for name, thing in vars(errors).items() if isinstance(thing, type)}


def hints(tree: ast.AST) -> Iterator[ast.expr]:
    """Expressions that are a hint: the second word to one of our errors, and whatever is called `hint`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ERRORS and len(node.args) == 2:
                yield node.args[1]
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "hint")
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).lower().endswith("hint"):
            yield node.value


def ends(hint: ast.expr) -> tuple[str, str]:
    """The first and the last letter of a text, where they are written down; empty where they are computed."""
    parts = hint.values if isinstance(hint, ast.JoinedStr) else [hint]
    first, last = (str(part.value) if isinstance(part, ast.Constant) else "" for part in (parts[0], parts[-1]))
    return first[:1], last[-1:]


def other_style(text: str) -> list[str]:
    """Hints of a module that begin with a capital letter or end with a full stop."""
    found = []
    for hint in hints(ast.parse(text)):
        first, last = ends(hint)
        if first.isupper() or last == ".":
            found.append(ast.unparse(hint))
    return found


def test_hints_are_of_one_style() -> None:
    """None begins with a capital letter, none ends with a full stop."""
    told = [path.read_text(encoding="utf-8") for path in modules(TREE).values()]
    assert sum(len(list(hints(ast.parse(text)))) for text in told) > 80
    assert [hint for text in told for hint in other_style(text)] == []


def idle(text: str) -> list[str]:
    """Texts of a module that send somebody away with nothing: such a hint would stand below a failure."""
    told = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return [one for one in told if isinstance(one, str) and one.startswith(("nothing to do", "it is tried again"))]


def test_every_hint_is_a_step() -> None:
    """No hint says that there is nothing to do; one that does is noticed (control)."""
    assert [hint for path in modules(TREE).values() for hint in idle(path.read_text(encoding="utf-8"))] == []
    assert len(idle('Reason("lost", "it is lost", "nothing to do here: it is tried again")')) == 1


@pytest.mark.parametrize(
    "text",
    [
        'raise CameraError("it is off", "Plug it in")',
        'raise MaskError(f"{x} is torn", f"draw {x} anew.")',
        'Fault("x", "y", hint="Look at it")',
        'hint = f"{x} is to be seen to."',
        '_ARRAY_HINT = "Save it anew"',
    ],
)
def test_control_another_style_is_noticed(text: str) -> None:
    """Capital letters and full stops are found, also in texts that are put together."""
    assert len(other_style(text)) == 1

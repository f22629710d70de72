"""Who imports whom in a source tree, read from its syntax without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import: by which module, of what, and when it happens."""

    by: str
    of: str
    """Full name; of `from a.b import c` it is `a.b.c` when that is a module of the tree, else `a.b`."""
    when: str
    """start: as the module is imported; call: inside a function; types: only for the type checker."""


def modules(root: Path) -> dict[str, Path]:
    """Files of the package `gateway` below the root, by module name."""
    found = {}
    for path in sorted((root / "gateway").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> list[Import]:
    """All imports in the tree."""
    known = modules(root)
    return [found for name, path in known.items() for found in _of_module(name, path, known)]


def _of_module(name: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node, when in _walk(ast.parse(path.read_text(encoding="utf-8")), "start"):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, when) for alias in node.names)
            continue
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        for full in (f"{base}.{alias.name}" for alias in node.names):
            yield Import(name, full if full in known else base, when)


def _walk(node: ast.AST, when: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """All import statements below a node, and when each happens."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, when
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _walk(child, "types" if when == "types" else "call")
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _walk(ast.Module(child.body, []), "types")
            yield from _walk(ast.Module(child.orelse, []), when)
        else:
            yield from _walk(child, when)


def room(module: str) -> str:
    """The room of a module: `gateway.motion.light` lies in motion, `gateway.cli` in cli; nothing of ours: empty."""
    parts = module.split(".")
    if parts[0] != "gateway":
        return ""
    return parts[1] if len(parts) > 1 else "gateway"


def reach(
    found: list[Import], start: str, *, calls: bool, closed: frozenset[str] = frozenset()
) -> dict[str, list[str]]:
    """Everything that is imported when `start` is, and the way there.

    Args:
        found: all imports of the tree.
        start: a module of the tree.
        calls: whether imports inside functions are followed, too.
        closed: modules whose imports inside functions are not followed.
    """
    by: dict[str, list[Import]] = {}
    for each in found:
        by.setdefault(each.by, []).append(each)
    way = {start: [start]}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        reached = [
            each.of
            for each in by.get(module, [])
            if each.when == "start" or (each.when == "call" and calls and module not in closed)
        ]
        packages = [of.rpartition(".")[0] for of in [module, *reached] if of.startswith("gateway.")]
        for of in [*reached, *packages]:
            if of not in way:
                way[of] = [*way[module], of]
                waiting.append(of)
    return way

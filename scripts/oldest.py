"""Prints the pins of requirements.txt with each dependency of the project at the lower bound that pyproject.toml gives.

What pydantic-settings needs stays as it is pinned: only what we ask for ourselves has a bound of ours.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCRIPTS = Path(__file__).parent


def lower_bounds() -> dict[str, str]:
    """Return the oldest version of each dependency, by its normal name. Raises ValueError when one has no bound."""
    found = {}
    for text in tomllib.loads((SCRIPTS.parent / "pyproject.toml").read_text())["project"]["dependencies"]:
        need = Requirement(text)
        bounds = [each.version for each in need.specifier if each.operator == ">="]
        if len(bounds) != 1:
            raise ValueError(f"pyproject.toml, dependencies, {text!r}: one lower bound (>=) is wanted")
        found[canonicalize_name(need.name)] = bounds[0]
    return found


def main() -> None:
    """Print the pins; a bound of two numbers takes the last patch of it, as distributions do."""
    bounds = lower_bounds()
    for line in (SCRIPTS / "requirements.txt").read_text().splitlines():
        bound = bounds.get(canonicalize_name(line.partition("==")[0]))
        print(line if bound is None else f"{line.partition('==')[0]}=={bound}.*")


if __name__ == "__main__":
    main()

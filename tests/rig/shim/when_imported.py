"""Loaded by every Python of the rig's tree at its start (rig.pth): waits for somebody who imports picamera2."""

from __future__ import annotations

import importlib.machinery
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs picamera2's own code between the two halves of the shim."""

    def exec_module(self, module: ModuleType) -> None:
        import virtual_camera  # type: ignore[import-not-found]  # beside this file, in the machine

        virtual_camera.stand_in()
        super().exec_module(module)
        virtual_camera.put_right()


class _Finder:
    """Finds picamera2 where it is."""

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "picamera2":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


sys.meta_path.insert(0, _Finder())

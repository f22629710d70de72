"""What a piece of NumPy code asks of NumPy: calls and bytes for each function that asks.

All arrays that an object holds, and those in what it holds, are replaced by views of a subclass that notes what is done
with them: every ufunc (operators too), every NumPy function, every method and item access. Bytes are those of all
arrays that go in and come out, as often as they do. Taking a view (a slice, a reshape) costs a call but touches
nothing: it is counted for itself. Arrays born from counted ones are counted too; those that NumPy makes from nothing
are seen only where they meet counted ones. OpenCV is counted where the caller wraps its functions.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS = (
    "all", "any", "argmax", "argsort", "astype", "copy", "fill", "max", "mean", "min", "nonzero", "partition", "sort",
    "sum", "take", "tolist",
)  # fmt: skip
_VIEWS = ("ravel", "reshape", "swapaxes", "transpose", "view")


class Tally:
    """Calls, views and bytes, for each function of a package."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.plane: np.ndarray | None = None
        """The picture: how many bytes of it are read is noted apart."""
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.calls: dict[str, int] = defaultdict(int)
        self.views: dict[str, int] = defaultdict(int)
        self.bytes: dict[str, int] = defaultdict(int)
        self.of_plane = 0

    def note(self, *arrays: Any, view: bool = False) -> None:
        """Note a call with these arrays, in the name of the innermost function of the package."""
        frame = sys._getframe(1)
        while frame.f_back is not None and not frame.f_globals.get("__name__", "").startswith(self.package):
            frame = frame.f_back
        name = frame.f_globals.get("__name__", "").removeprefix(self.package).strip(".")
        where = f"{name}.{frame.f_code.co_name}"
        if view:
            self.views[where] += 1
            return
        self.calls[where] += 1
        self.bytes[where] += sum(_touched(array) for array in arrays)
        if self.plane is not None:
            of_plane = (a for a in arrays if isinstance(a, np.ndarray) and np.may_share_memory(a, self.plane))
            self.of_plane += sum(_touched(array) for array in of_plane)


TALLY = Tally("gateway.motion")


def _touched(value: Any) -> int:
    if isinstance(value, (tuple, list)):
        return sum(_touched(one) for one in value)
    # A row that is used for all rows is read once: steps of 0 bytes count as one.
    if isinstance(value, np.ndarray):
        size = value.itemsize
        for length, stride in zip(value.shape, value.strides, strict=True):
            size *= length if stride else 1
        return size
    return 0


def plain(value: Any) -> Any:
    """Return the same without the subclass."""
    if isinstance(value, Counted):
        return value.view_plain()
    if isinstance(value, (tuple, list)) and any(isinstance(one, (Counted, tuple, list)) for one in value):
        return type(value)(plain(one) for one in value)
    return value


def counted(value: Any) -> Any:
    """Return the same as arrays that count."""
    if isinstance(value, np.ndarray) and not isinstance(value, Counted):
        return value.view(Counted)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(counted(one) for one in value)
    return value


class Counted(np.ndarray):
    """An array that notes what is done with it."""

    def view_plain(self) -> np.ndarray:
        return np.ndarray.view(self, np.ndarray)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **more: Any) -> Any:
        into = {} if out is None else {"out": tuple(plain(one) for one in out)}
        more = {key: plain(value) for key, value in more.items()}
        given = [plain(one) for one in inputs]
        result = getattr(ufunc, method)(*given, **into, **more)
        TALLY.note(*given, *more.values(), result)
        return out[0] if out is not None else counted(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        given = [plain(one) for one in args]
        named = {key: plain(value) for key, value in kwargs.items()}
        result = function(*given, **named)
        TALLY.note(*given, *named.values(), result if named.get("out") is None else 0)
        return kwargs["out"] if kwargs.get("out") is not None else counted(result)

    def __getitem__(self, key: Any) -> Any:
        result = self.view_plain()[plain(key)]
        shares = isinstance(result, np.ndarray) and result.base is not None
        TALLY.note(result, view=shares)
        return counted(result)

    def __setitem__(self, key: Any, value: Any) -> None:
        target, index, given = self.view_plain(), plain(key), plain(value)
        target[index] = given
        TALLY.note(target[index], given)


def _counting(name: str, *, view: bool) -> Callable[..., Any]:
    def call(self: Counted, *args: Any, **kwargs: Any) -> Any:
        array = self.view_plain()
        result = getattr(array, name)(*[plain(one) for one in args], **{k: plain(v) for k, v in kwargs.items()})
        TALLY.note(array, result, view=view)
        return counted(result)

    return call


for _name in _METHODS:
    setattr(Counted, _name, _counting(_name, view=False))
for _name in _VIEWS:
    setattr(Counted, _name, _counting(_name, view=True))


def arrays_of(thing: Any, package: str = TALLY.package, seen: set[int] | None = None) -> list[np.ndarray]:
    """Return the arrays that own the memory of all arrays that an object holds, each once."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return arrays_of(thing.base, package, seen) if isinstance(thing.base, np.ndarray) else [thing]
    held: Any = ()
    if isinstance(thing, (list, tuple)):
        held = thing
    elif isinstance(thing, dict):
        held = thing.values()
    elif type(thing).__module__.startswith(package) and hasattr(thing, "__dict__"):
        held = vars(thing).values()
    return [array for one in held for array in arrays_of(one, package, seen)]


def count_in(thing: Any, package: str = TALLY.package, seen: set[int] | None = None) -> None:
    """Replace all arrays that an object of the package holds, and those in what it holds, by views that count."""
    seen = set() if seen is None else seen
    if id(thing) in seen or not hasattr(thing, "__dict__") or not type(thing).__module__.startswith(package):
        return
    seen.add(id(thing))
    for name, value in vars(thing).items():
        if isinstance(value, list):
            for one in value:
                count_in(one, package, seen)
        elif isinstance(value, (np.ndarray, tuple)):
            setattr(thing, name, counted(value))
        else:
            count_in(value, package, seen)

"""Starts a process without waiting for it: to execute a program it has to be read, and the card may stall for seconds.

`subprocess` waits until the new process executes, by default (vfork) even with the interpreter's lock held, so that no
other thread runs either. Here a thread of its own waits, and the fork is a plain one. Not here: what the process is
for. `Launch` is made and asked on one thread; the thread `launch` ends by itself as soon as the program was read.
"""

from __future__ import annotations

import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

subprocess._USE_VFORK = False  # type: ignore[misc]  # subprocess's documentation names this to ask for a plain fork


class Launch:
    """A process that is being started."""

    def __init__(self, line: Sequence[str], then: Callable[[], object] | None = None, **options: Any) -> None:
        """Begin to start it.

        Args:
            line: program and arguments.
            then: called on the thread when the process runs, or cannot be started: closes what was passed on.
            options: as for subprocess.Popen.
        """
        self._line, self._then, self._options = list(line), then, options
        self._process: subprocess.Popen[bytes] | None = None
        self.since = time.monotonic()
        """When it was begun, on the monotonic clock."""
        self.error: OSError | None = None
        """Why there is no process."""
        self._done = threading.Event()
        try:
            threading.Thread(target=self._run, name="launch", daemon=True).start()
        except RuntimeError:  # no thread to be had
            self._finish(OSError(0, "there is no room for another thread"))

    @property
    def done(self) -> bool:
        """Whether it is known how it went: then there is either `process` or `error`."""
        return self._done.is_set()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, once it runs."""
        return self._process if self.done else None

    def _run(self) -> None:
        try:
            self._process = subprocess.Popen(self._line, **self._options)
        except OSError as error:
            self._finish(error)
        except (ValueError, subprocess.SubprocessError) as error:
            self._finish(OSError(0, str(error)))
        else:
            self._finish(None)

    def _finish(self, error: OSError | None) -> None:
        self.error = error
        if self._then is not None:
            self._then()
        self._done.set()

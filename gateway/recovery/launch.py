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
        self._killed = False
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

    @property
    def runs(self) -> bool:
        """Whether it is being started, or has been and did not end yet."""
        return not self.done or (self._process is not None and self._process.poll() is None)

    def kill(self) -> None:
        """End it; one that is only being started is ended as soon as it is there."""
        self._killed = True
        if self.done and self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _run(self) -> None:
        try:
            self._process = subprocess.Popen(self._line, **self._options)
        except OSError as error:
            self._finish(error)
        except (ValueError, subprocess.SubprocessError) as error:
            self._finish(OSError(0, str(error)))
        else:
            self._finish(None)
            if self._killed:
                self._process.kill()

    def _finish(self, error: OSError | None) -> None:
        self.error = error
        if self._then is not None:
            self._then()
        self._done.set()


class Errand:
    """A command that is run to its end, while its asker does something else."""

    def __init__(self, line: Sequence[str], *, optional: bool = False) -> None:
        """Begin to run it; where it is `optional`, a program that is not installed is no failure."""
        self.name = " ".join(line)
        self._optional = optional
        self._result: str | None = None
        self._launch = Launch(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    @property
    def result(self) -> str | None:
        """None while it runs; empty: it went well; else why not, in the command's own words."""
        if self._result is None and self._launch.done:
            self._result = self._look()
        return self._result

    def _look(self) -> str | None:
        process, error = self._launch.process, self._launch.error
        if process is None:
            if self._optional and isinstance(error, FileNotFoundError):
                return ""
            return f"{self.name} cannot be started: {error.strerror if error else '?'}"
        if process.poll() is None:
            return None
        words = ""
        if process.stderr is not None:
            with process.stderr:
                words = " ".join(process.stderr.read(500).decode(errors="replace").split())
        return f"{self.name} says: {words or process.returncode}" if process.returncode else ""

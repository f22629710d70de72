"""The process of one camera, from the daemon's side: started, killed, and what is left when neither works.

Never waits: a start that the card holds up is looked at again, a process stuck in the kernel is left as a remnant. Not
here: when it is started or killed (eyes.py), what it says (known.py). Runs on the daemon's main thread.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from gateway.channel import Channel
from gateway.recovery.launch import Launch

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


class EyeProcess:
    """At most one process that is listened to, and those that could not be killed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.channel: Channel | None = None
        """Our end of the socket, while somebody may be at the other."""
        self.process: subprocess.Popen[bytes] | None = None
        self.remnants: list[subprocess.Popen[bytes]] = []
        """Killed and still there: they hold the camera."""
        self._launch: Launch | None = None
        self._late: list[Launch] = []
        """Starts that were given up before they came to anything."""

    @property
    def there(self) -> bool:
        """Whether there is a process, or one is being started."""
        return self.process is not None or self._launch is not None

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self.process.pid if self.process is not None else None

    @property
    def over(self) -> bool:
        """Whether it has ended and everything that it said was heard."""
        return self.process is not None and self.process.poll() is not None and self.channel is None

    @property
    def gone(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.there or self.over

    @property
    def blocked(self) -> bool:
        """Whether another cannot be started now: one that cannot be killed holds the camera, or the card stalls."""
        return bool(self.remnants or self._late)

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin to start it with its configuration; `tick` tells how that went.

        Raises:
            OSError: no descriptor, memory or thread is to be had.
        """
        ours, theirs = Channel.pair()
        try:
            # Before there is a process: one that dies at once must not take us along.
            if not ours.send(json.dumps(config).encode()):
                raise OSError(0, "its configuration does not fit into the socket")
            self._launch = Launch(
                [sys.executable, "-m", "gateway", "eye", "--fd", str(theirs.fileno()), "--name", self._name],
                theirs.close,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                # One BLAS thread: the pools of NumPy's library would cost memory and are never used.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        except OSError:
            ours.close()
            theirs.close()
            raise
        self.channel = ours

    def tick(self) -> OSError | None:
        """See how the start went, and which remnants are gone; return why there is no process, once."""
        self.remnants = [each for each in self.remnants if each.poll() is None]
        for late in [late for late in self._late if late.done]:
            self._late.remove(late)
            if late.process is not None:
                self._kill(late.process)
        if self._launch is None or not self._launch.done:
            return None
        launch, self._launch = self._launch, None
        if launch.process is None:
            self.hang_up()
            return launch.error
        self.process = launch.process
        log.info("eye %s: started as process %d", self._name, self.process.pid)
        return None

    def hang_up(self) -> None:
        """Close the socket: nothing more is heard."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def abandon(self) -> int | None:
        """Kill it, without waiting for its end; return its exit code if it has one already."""
        self.hang_up()
        if self._launch is not None:
            self._late.append(self._launch)
            self._launch = None
        process, self.process = self.process, None
        if process is None:
            return None
        self._kill(process)
        return process.returncode

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
            if process.poll() is None:
                self.remnants.append(process)

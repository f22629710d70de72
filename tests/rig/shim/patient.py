"""Eyes may take minutes to start: under emulation the imports alone take half of the time that a device has.

Loaded by a .pth file of a test's own (test_guest.py), by the daemon only; nothing else of it is changed.
"""

from __future__ import annotations

from gateway.recovery import eyes

eyes.START_SECONDS = 240.0

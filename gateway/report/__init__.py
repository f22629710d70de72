"""The page that `gateway replay --report DIR` writes: what was seen, what was said of it, and what the core believed.

Top of the house, beside replay.py; no process of a device loads it. `story` gathers, `film` draws pictures, `chart`
and `page` write text. Runs on the thread that replays.
"""

from gateway.report.report import Report

__all__ = ["Report"]

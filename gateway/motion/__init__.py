"""The motion core: luma planes in, boxes and tracks out.

Vectorised NumPy on arrays and plain numbers; imports nothing else of the gateway, does no I/O and reads no clock.
"""

from gateway.motion.result import Box, Motion, Track

__all__ = ["Box", "Motion", "Track"]

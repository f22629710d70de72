"""The motion core: luma planes in, boxes and tracks out.

Vectorised NumPy on arrays and plain numbers; imports nothing else of the gateway, does no I/O and reads no clock.

Where results go is passed to ufuncs by position and copied into with `[...] =`: in a frame of a hundred small calls the
names of arguments and the dispatch of `copyto` take longer than many of the numbers. NumPy wants a name for `minimum`
and `maximum`.
"""

from gateway.motion.result import Box, Motion, Track

__all__ = ["Box", "Motion", "Track"]

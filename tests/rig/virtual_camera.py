"""A pytest plugin that lets the unmodified picamera2 run on libcamera's `virtual` camera: no Pi, no dma-heap, no KMS.

The product knows nothing of it. What is put right, in the order in which picamera2 trips over it: two imports that only
a preview window and raw files need; the raw stream, which this camera refuses to describe; buffers, which come from
memory files here and need one plane for each plane of NV12; the pace, as the camera runs free.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
import types
from typing import Any

import libcamera

FRAME_SECONDS = 1 / 60
PIXEL_FORMATS = ("RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "YVU420", "NV12", "ABGR8888")


def _stand_in(name: str, **names: Any) -> None:
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(names)


_stand_in("pykms", PixelFormat=types.SimpleNamespace(**{name: name for name in PIXEL_FORMATS}))
_stand_in("pidng")
_stand_in("pidng.camdefs", Picamera2Camera=None)
_stand_in("pidng.core", PICAM2DNG=None)

_generate = libcamera.Camera.generate_configuration


def _generate_without_raw(camera: Any, roles: Any = ()) -> Any:
    role = libcamera.StreamRole
    return _generate(camera, [role.Viewfinder if wanted == role.Raw else wanted for wanted in roles])


libcamera.Camera.generate_configuration = _generate_without_raw

import picamera2.picamera2 as product  # noqa: E402 (it imports what stands in above)
from picamera2.allocators.allocator import Allocator, Sync  # noqa: E402


class MemoryFiles(Allocator):  # type: ignore[misc]
    """Buffers in memory files; picamera2's own allocator wants /dev/dma_heap."""

    class _Mapped(Sync):  # type: ignore[misc]
        def __init__(self, allocator: MemoryFiles, buffer: Any, _write: bool) -> None:
            self._map = allocator.mapped_buffers[buffer]

        def __enter__(self) -> Any:
            return self._map

        def __exit__(self, *failure: object) -> None:
            return

    def __init__(self) -> None:
        self.sync = self._Mapped
        self.mapped_buffers: dict[Any, mmap.mmap] = {}
        self._of_stream: dict[Any, list[Any]] = {}
        self._files: list[int] = []

    def allocate(self, configuration: Any, _use_case: str) -> None:
        """Make the buffers of all streams."""
        self.close()
        for stream in configuration:
            luma = stream.stride * stream.size.height
            for _ in range(stream.buffer_count):
                file = os.memfd_create("virtual-camera")
                os.ftruncate(file, stream.frame_size)
                self._files.append(file)
                planes = []
                for offset, length in ((0, luma), (luma, stream.frame_size - luma)):
                    plane = libcamera.FrameBuffer.Plane()
                    plane.fd, plane.offset, plane.length = file, offset, length
                    planes.append(plane)
                buffer = libcamera.FrameBuffer(planes)
                self.mapped_buffers[buffer] = mmap.mmap(file, stream.frame_size)
                self._of_stream.setdefault(stream.stream, []).append(buffer)

    def buffers(self, stream: Any) -> list[Any]:
        """Return the buffers of a stream."""
        return self._of_stream[stream]

    def close(self) -> None:
        """Give all buffers back."""
        for file in self._files:
            os.close(file)
        self.mapped_buffers, self._of_stream, self._files = {}, {}, []

    __del__ = close


product.DmaAllocator = MemoryFiles

_start = product.Picamera2.start


def _start_at_a_pace(camera: Any, *arguments: Any, **options: Any) -> None:
    if camera.pre_callback is None:
        camera.pre_callback = lambda _request: time.sleep(FRAME_SECONDS)
    _start(camera, *arguments, **options)


product.Picamera2.start = _start_at_a_pace

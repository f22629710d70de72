"""Lets the unmodified picamera2 run on libcamera's `virtual` camera: no Pi, no dma-heap, no KMS.

The product knows nothing of it: every Python of the rig's tree loads this when picamera2 is first imported
(when_imported.py), `stand_in` before it and `put_right` after. What is put right, in the order in which picamera2 trips
over it: two imports that only a preview window and raw files need; the raw stream, which this camera refuses to
describe; buffers, which come from memory files here and need one plane for each plane of NV12; the pace, as the camera
runs free whatever was asked for.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
import types
from typing import Any

PIXEL_FORMATS = ("RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "YVU420", "NV12", "ABGR8888")


def _module(name: str, **names: Any) -> None:
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(names)


def stand_in() -> None:
    """Before picamera2 is imported: what its import needs, and a camera that does not describe raw pictures."""
    import libcamera

    _module("pykms", PixelFormat=types.SimpleNamespace(**{name: name for name in PIXEL_FORMATS}))
    _module("pidng")
    _module("pidng.camdefs", Picamera2Camera=None)
    _module("pidng.core", PICAM2DNG=None)
    generate = libcamera.Camera.generate_configuration

    def without_raw(camera: Any, roles: Any = ()) -> Any:
        role = libcamera.StreamRole
        return generate(camera, [role.Viewfinder if wanted == role.Raw else wanted for wanted in roles])

    libcamera.Camera.generate_configuration = without_raw


def _allocator() -> Any:  # noqa: C901 (one class, made where what it derives from can be imported)
    """Return the allocator that takes the place of picamera2's own."""
    import libcamera
    from picamera2.allocators.allocator import Allocator, Sync

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

    return MemoryFiles


def put_right() -> None:
    """After picamera2 was imported: its buffers and its pace."""
    import picamera2.picamera2 as product

    product.DmaAllocator = _allocator()
    start = product.Picamera2.start

    def start_at_a_pace(camera: Any, *arguments: Any, **options: Any) -> None:
        if camera.pre_callback is None:
            asked = (camera.camera_config or {}).get("controls", {}).get("FrameDurationLimits", (33_333, 33_333))
            camera.pre_callback = lambda _request: time.sleep(asked[0] / 1e6)
        start(camera, *arguments, **options)

    product.Picamera2.start = start_at_a_pace

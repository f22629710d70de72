"""The planes of a frame's best picture, as views: where masks are burnt and stills are cut.

Not here: what is done with them. Pure; no copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gateway.camera.frame import Frame


def split(frame: Frame) -> list[tuple[NDArray[np.uint8], int]]:
    """Return the planes of the main picture, or the luma plane where there is none, each with its subsampling.

    Views without padding: bgr gives one (h, w, 3); yuv420 gives (h, w), (h/2, w/2), (h/2, w/2); nv12 gives (h, w) and
    (h/2, w/2, 2). The subsampling is 1 or 2, the same in both directions.
    """
    main = frame.main
    if main is None or frame.main_format == "none":
        return [(frame.luma, 1)]
    if frame.main_format == "bgr":
        return [(main, 1)]
    width, height = frame.main_size
    stride = main.shape[1]
    flat = main.reshape(-1)  # a view: rows of a camera buffer follow one another, padding included
    luma, quarter = height * stride, (height // 2) * (stride // 2)
    if frame.main_format == "nv12":
        pairs = flat[luma : luma + 2 * quarter].reshape(height // 2, stride // 2, 2)
        return [(main[:height, :width], 1), (pairs[:, : width // 2], 2)]
    first = flat[luma : luma + quarter].reshape(height // 2, stride // 2)
    second = flat[luma + quarter : luma + 2 * quarter].reshape(height // 2, stride // 2)
    return [(main[:height, :width], 1), (first[:, : width // 2], 2), (second[:, : width // 2], 2)]

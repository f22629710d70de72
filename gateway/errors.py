"""All failures of the gateway, on one screen. Imports nothing.

    GatewayError                 says what is wrong, and what to do next (`hint`)
     ├─ SettingsError            a configuration that cannot be used           exit 78
     ├─ CameraError              a camera that gives no frames
     │   ├─ CameraUnavailable    it could not be opened
     │   ├─ CameraStalled        it is open, and no frame came within the deadline
     │   ├─ CameraGarbled        frames come, and none of them can be a picture
     │   └─ CameraEnded          a recording is over (no fault)
     ├─ MaskError                a privacy mask that cannot be used: no pictures
     ├─ StoreError               the outbox cannot be opened or written
     └─ LinkError                the broker cannot be reached, or refused us

What does not belong here: exit codes of checks (selftest.py), reasons from the broker (uplink/mqtt.py).
"""


class GatewayError(Exception):
    """Something went wrong; `str()` says what, `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(GatewayError):
    """The configuration cannot be used."""


class CameraError(GatewayError):
    """A camera gives no frames."""


class CameraUnavailable(CameraError):
    """The camera could not be opened."""


class CameraStalled(CameraError):
    """The camera is open, but no frame came within the deadline."""


class CameraGarbled(CameraError):
    """Frames come, and none of them can be a picture."""


class CameraEnded(CameraError):
    """The recording is over."""


class MaskError(GatewayError):
    """A privacy mask cannot be used, so no picture may leave."""


class StoreError(GatewayError):
    """The outbox cannot be opened or written."""


class LinkError(GatewayError):
    """The broker cannot be reached, or it refused us."""

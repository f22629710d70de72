"""What leaves, and what must not: a state that the broker would end the connection for."""

from __future__ import annotations

import logging

import pytest

from gateway.uplink.dispatch import Dispatch
from gateway.uplink.spool import Spool


def test_a_state_that_the_broker_does_not_take_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It would end the connection and be said again after each connect, for ever: it is logged, the others are said."""
    dispatch = Dispatch("citycam/v1/a/gw", Spool(":memory:"), lambda: None, 50.0, confirm_centre=False)
    said: list[str] = []

    def publish(topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> int:
        assert len(topic) + len(payload) <= 4096
        assert retain
        assert qos == 1
        said.append(topic)
        return len(said)

    with caplog.at_level(logging.WARNING):
        dispatch.say("up/gap", bytes(5000), retain=True, qos=1)
        dispatch.say("up/info", bytes(500), retain=True, qos=1)
        dispatch.opened(20, 4096, 0.0)
        dispatch.send(publish, 0.0)
    assert said == ["citycam/v1/a/gw/up/info"]
    assert "up/gap is not said" in caplog.text
    dispatch.opened(20, 1 << 28, 1.0)
    with pytest.raises(AssertionError):  # the control: a broker that takes more is given it
        dispatch.send(publish, 1.0)

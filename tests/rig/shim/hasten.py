"""The link's ladder twenty times faster: its steps come five minutes apart, and more; nothing else of it is changed.

Loaded by a .pth file of a test's own (test_network.py), in every Python of the machine that has the gateway's modules.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("gateway") is not None:
    from gateway.recovery.linkage import Linkage

    defaults = Linkage.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults["factor"] is None
    defaults["factor"] = 0.05

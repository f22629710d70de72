"""`gateway demo`: the whole gateway on one computer, with the simulated corner, a broker, and what the centre receives.

Beside the product, not part of it: nothing else imports this. Needs the extra `demo`.
"""

from gateway.demo.play import run

__all__ = ["run"]

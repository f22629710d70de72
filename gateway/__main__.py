"""`python -m gateway` and the command `gateway`. Imports nothing heavy: an eye must see soon after it is started."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return its exit code."""
    if sys.argv[1:2] == ["eye"]:  # started by the daemon only: gateway eye --fd N --name CAMERA
        from gateway.eye.eye import main as eye

        return eye(int(sys.argv[sys.argv.index("--fd") + 1]))
    from gateway.cli import main as cli

    return cli()


if __name__ == "__main__":
    sys.exit(main())

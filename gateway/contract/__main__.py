"""`python -m gateway.contract`, which scripts/contract calls."""

import sys

from gateway.contract.documents import main

sys.exit(main())

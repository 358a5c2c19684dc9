"""`python -m cosmos_core` is the `cosmos` command."""

from __future__ import annotations

import sys

from cosmos_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

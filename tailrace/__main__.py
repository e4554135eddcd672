"""``python -m tailrace``: the command, as ``tailrace``."""

import sys

if not sys.flags.safe_path:
    # `-m` puts the working directory first, where a user's `traceback.py` would hide Python's own.
    del sys.path[0]

from tailrace.pipeline.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

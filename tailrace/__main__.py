"""``python -m tailrace``: the command, as ``tailrace``."""

import sys

if not sys.flags.safe_path:
    # `-m` puts the working directory first, where a user's `traceback.py` would hide Python's own. In a checkout this
    # package, too, was found there; workers, which never look there, must not have another one.
    del sys.path[0]
    for name in ("tailrace", "tailrace.version"):
        sys.modules.pop(name, None)

from tailrace.pipeline.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""The real command with a fault in it: ``python -m tests.crash.command CONFIG AT MODE SEED``."""

from __future__ import annotations

import sys
from pathlib import Path

from tailrace.pipeline.cli.main import main

from .power import MODES, Fault

if __name__ == "__main__":
    config, at, mode, seed = sys.argv[1:]
    home = Path(config).parent
    fault = Fault(home, int(at), MODES[MODES.index(mode)], int(seed))
    fault.install()
    code = main(["run", "--until-eof", "-q", config])
    fault.unsynced.save(home)
    sys.exit(code)

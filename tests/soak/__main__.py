"""A daemon with two sinks under every kind of rotation, kills, stalls, full disks and clock steps: ``make soak``.

At the end: is each line there once, in both sinks or as a dead letter, and did nothing grow? Exit 1 if one is lost or
repeated, if the daemon ended without having been told to, or took more and more; then the directory is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from .disks import BALLAST, small_disk
from .soak import DISKS, FAULTS, Soak

OUTPUT_DISK = 48  # MiB: far more than comes in between two stops in order
STATE_DISK, STATE_DISK_A_MINUTE = 64, 4  # MiB: dead letters stay in the state


def soak(home: Path, minutes: float, seed: int) -> bool:
    """Whether all went well; prints everything."""
    started = time.monotonic()
    sizes = {"out": OUTPUT_DISK, "state": STATE_DISK + int(STATE_DISK_A_MINUTE * minutes)}
    with contextlib.ExitStack() as stack:
        disks = {name for name, size in sizes.items() if stack.enter_context(small_disk(home / name, f"{size}M"))}
        if disks != set(DISKS.values()):
            print("may not mount a tmpfs here: without full disks", flush=True)
        one = Soak(home, disks, seed)
        well = False
        try:
            one.run(minutes)
            table, well = one.ledger.table(one.writers)
            growing = one.marks.growing()
            well &= not one.unexpected and not growing
            print(f"\nafter {(time.monotonic() - started) / 60:.1f} min and {one.daemon.starts} starts:")
            print(", ".join(f"{one.done[name]} x {name}" for name in FAULTS))
            print(f"at most: {one.marks}")
            print("what grew:", "; ".join(growing) or "nothing")
            print(f"ends that nobody asked for: {len(one.unexpected)}")
            print(table)
        except Exception:
            traceback.print_exc()
        finally:
            if not well:
                for name in disks:  # they go with their disks
                    shutil.copytree(home / name, home / f"{name}.kept", ignore=shutil.ignore_patterns(BALLAST))
    return well


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="tailrace-soak-"))
    print(f"soak for {asked.minutes:g} min with --seed {asked.seed} in {home}", flush=True)
    well = soak(home, asked.minutes, asked.seed)
    if well:
        shutil.rmtree(home)
    else:
        print(f"FAILED with --seed {asked.seed} --minutes {asked.minutes:g}; everything is kept in {home}", flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

"""What the processes of a daemon take together, beside what `tailrace check` promised beforehand."""

from __future__ import annotations

import re

from .daemon import Daemon

MIB = 1 << 20
SANE = 160  # MiB of PSS where neither stages nor long lines are the reason for more


def ceiling(daemon: Daemon) -> int:
    """Bytes, as `tailrace check` says beforehand."""
    done = daemon.command("check", str(daemon.config))
    assert done.code == 0, done.err + done.out.decode()
    (figure,) = re.findall(r"memory ceiling: ([\d,.]+) MiB", done.out.decode())
    return int(float(figure.replace(",", "")) * MIB)


class Gauge:
    """The highest memory of a daemon's processes seen so far."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._promised = ceiling(daemon)
        self.peak = 0

    def look(self) -> bool:
        """True while it runs."""
        running = self._daemon.running
        self.peak = max(self.peak, self._daemon.memory()[0])
        return running

    def check(self, sane: int = SANE) -> None:
        print(f"peak {self.peak / MIB:.0f} MiB of PSS, promised {self._promised / MIB:.0f} MiB")
        assert self.peak > 10 * MIB, "it was measured"
        assert self.peak < self._promised
        assert self.peak < sane * MIB, f"{self.peak / MIB:.0f} MiB"

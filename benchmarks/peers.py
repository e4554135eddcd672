"""rsyslog and syslog-ng at the same job, from the configurations in ``peers/``, each in a directory of its own.

The programs are found on PATH, or by ``RSYSLOGD`` and ``SYSLOG_NG``. Where they are unpacked elsewhere than installed,
``RSYSLOG_MODULES`` and ``SYSLOG_NG_MODULES`` name their module directories and LD_LIBRARY_PATH their libraries.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Measured, measure

CONFIGURATIONS = Path(__file__).parent / "peers"
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # often not on a user's PATH


@dataclass(slots=True, frozen=True)
class Peer:
    name: str  # as in the names of its configurations
    program: str
    threads: int = 1  # that work on the queue: rsyslog with two no longer keeps the order of the lines

    @property
    def label(self) -> str:
        return self.name if self.threads == 1 else f"{self.name}, unordered"

    def run(self, kind: str, source: Path, output: Path, lines: int, work: Path) -> Measured:
        """Until ``output`` has a line for each line of ``source``."""
        values = {"INPUT": source, "OUTPUT": output, "WORK": work, "THREADS": self.threads}
        for template in CONFIGURATIONS.iterdir():
            text = template.read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", str(value))
            (work / template.name).write_text(text)
        config = str(work / f"{self.name}-{kind}.conf")
        return measure([self.command(config, work)], work / "log", output=output, lines=lines)

    def command(self, config: str, work: Path) -> list[str]:
        """In the foreground, with every file it keeps under ``work``."""
        if self.name == "rsyslog":
            modules = os.environ.get("RSYSLOG_MODULES")
            return [self.program, "-n", "-f", config, "-i", f"{work}/pid", *(["-M", modules] if modules else [])]
        modules = os.environ.get("SYSLOG_NG_MODULES")
        keep = [f"--{what}={work}/{what}" for what in ("persist-file", "pidfile", "control")]
        more = [f"--module-path={modules}"] if modules else []
        return [self.program, "--foreground", "--no-caps", f"--cfgfile={config}", *keep, *more]


def find() -> tuple[list[Peer], list[str]]:
    """The peers that are here, and the names of those that are not."""
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    here, missing = [], []
    for name, variable, program in (("rsyslog", "RSYSLOGD", "rsyslogd"), ("syslog-ng", "SYSLOG_NG", "syslog-ng")):
        found = shutil.which(os.environ.get(variable, program), path=path)
        if found:
            here.append(Peer(name, found))
            if name == "rsyslog":
                here.append(Peer(name, found, threads=2))
        else:
            missing.append(name)
    return here, missing

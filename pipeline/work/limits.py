"""What a process that works sets for itself: how it keeps memory, how much of that and how many files it may have, and
when it ends."""

from __future__ import annotations

import gc
import os
import signal
import sys

MANY_OBJECTS = 10_000  # more than after the last collection, after which the next one is due
M_TRIM_THRESHOLD = -1  # of glibc's malloc.h
KEEP_FREED = 16 << 20  # bytes


def settle_memory() -> None:
    """For a process that makes and drops events all day: collect rarely, and keep what was freed.

    Events hold no cycles, and looking for them in every generation costs half the speed. glibc gives the end of the
    heap back to the kernel after each piece and asks for it again with the next, page by page: a third of the speed.
    """
    gc.unfreeze()  # of an earlier run of this process, which is gone now
    gc.collect()
    gc.freeze()
    gc.disable()
    if sys.platform == "linux":
        import ctypes

        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):  # glibc's; others have no such call and no such habit
            library.mallopt(M_TRIM_THRESHOLD, KEEP_FREED)


def collect_cycles() -> None:
    """Free the cycles that a user's sink, or a library of it, has made; nothing is looked for while there are only few
    more objects than the last time."""
    if gc.get_count()[0] > MANY_OBJECTS:
        gc.collect()


def die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)


def limit_memory(own: int) -> None:
    """Bound what this process may have beyond what the interpreter and the stages hold now (RLIMIT_DATA)."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        now = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = now + own
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def raise_file_limit() -> None:
    """Every file that is tailed keeps a descriptor; the soft limit is only a default."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

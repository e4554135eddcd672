"""tailrace tails log files, parses, enriches and writes them, each line exactly once.

This is the public face: what a stage of one's own is written with. The engine is ``tailrace.pipeline``, the stages
that come with it are ``tailrace.stages``; their directories stand beside this one in the repository.
"""

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.errors import Reject, Retry
from tailrace.pipeline.stage import Guarantee
from tailrace.version import __version__

__all__ = ["Event", "Fail", "Guarantee", "Reject", "Retry", "__version__"]

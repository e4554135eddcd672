"""tailrace tails log files, parses, enriches and writes them, each line exactly once.

This is the public face: what a stage of one's own is written with. The engine is ``tailrace.pipeline``, the stages
that come with it are ``tailrace.stages``; their directories stand beside this one in the repository.
"""

import os

from tailrace.version import __version__

_HERE = os.path.dirname(__file__)
if not os.path.exists(os.path.join(_HERE, "pipeline")):  # found in a checkout, where the others stand beside this one
    __path__.append(os.path.dirname(_HERE))

TYPE_CHECKING = False  # typing's own takes time to import, and every start of the command imports this
if TYPE_CHECKING:
    from tailrace.pipeline.batch import Event as Event
    from tailrace.pipeline.batch import Fail as Fail
    from tailrace.pipeline.batch import Lines as Lines
    from tailrace.pipeline.batch import Skip as Skip
    from tailrace.pipeline.errors import MemoryFull as MemoryFull
    from tailrace.pipeline.errors import Park as Park
    from tailrace.pipeline.errors import Reject as Reject
    from tailrace.pipeline.errors import Retry as Retry
    from tailrace.pipeline.errors import Split as Split
    from tailrace.pipeline.outgoing import Outgoing as Outgoing
    from tailrace.pipeline.outgoing import Payload as Payload
    from tailrace.pipeline.outgoing import Verdicts as Verdicts
    from tailrace.pipeline.stage import Guarantee as Guarantee
    from tailrace.pipeline.stage import Memory as Memory

_HOMES = {
    "Event": "batch",
    "Fail": "batch",
    "Guarantee": "stage",
    "Lines": "batch",
    "Memory": "stage",
    "MemoryFull": "errors",
    "Outgoing": "outgoing",
    "Park": "errors",
    "Payload": "outgoing",
    "Reject": "errors",
    "Retry": "errors",
    "Skip": "batch",
    "Split": "errors",
    "Verdicts": "outgoing",
}
__all__ = [
    "Event",
    "Fail",
    "Guarantee",
    "Lines",
    "Memory",
    "MemoryFull",
    "Outgoing",
    "Park",
    "Payload",
    "Reject",
    "Retry",
    "Skip",
    "Split",
    "Verdicts",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: ``import tailrace`` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"tailrace.pipeline.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

"""How many lives the model tries: eighty with every `make test`, always the same; as many as you like otherwise."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("model", max_examples=int(os.environ.get("EXAMPLES", "2000")), deadline=None)

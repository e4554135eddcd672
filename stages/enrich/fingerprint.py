"""``enrich.fingerprint``: a hash of some fields, by which events can be told apart without showing the values."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Matching, Problems, Whole
from tailrace.stages.values.identity import check_names, identity

_KEY_BYTES = 16  # fewer can be tried out
_DIGITS = {"hmac-sha256": 64, "sha256": 64, "blake2b": 128}  # of the whole hash


@dataclass
class Fingerprint:
    """Write into the field ``into`` a hash of the values of ``fields``, in hexadecimal digits, ``length`` of them. What
    the field held before is replaced: ``fields = ["user"]``, ``into = "user"`` puts a pseudonym in a name's place. The
    fields stay as they are otherwise; enrich.remove takes them out.

    Hashed is the JSON of the values (keys in order, no blanks, UTF-8), several with commas between them and nothing for
    a field that is not there, whatever the fields are called. So ``1``, ``"1"``, null and a field that is not there
    differ. An event with none of the fields stays as it is, or is a dead letter (``missing_field``) if ``required``.

    ``hmac-sha256`` needs a ``key`` of at least 16 bytes, best as ``key = "${FINGERPRINT_KEY}"``. ``key_id``, a name for
    the key, stands before the hash with a colon, so that keys can change. ``sha256`` and ``blake2b`` have no key:
    whoever has the hash of an address, a name or a number can find it by trying all there are. ``unkeyed = true`` says
    that this does no harm, as for whole lines of which repeats are looked for.

    Fails: ``missing_field``, ``bad_type`` (JSON cannot hold it).

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.fingerprint"
        fields = ["user"]
        into = "user"
        key = "${FINGERPRINT_KEY:-in earnest without a default}"
        key_id = "2026"
        length = 16
        required = true

    Lines::

        {"user": "ann", "action": "log in"}
        {"user": "bob", "action": "log in"}
        {"user": "ann", "action": "pay"}
        {"action": "start"}
    """

    plain: ClassVar[bool] = True

    fields: list[str]  # whose values are hashed
    into: str = "fingerprint"  # the field that gets the hash
    method: Literal["hmac-sha256", "sha256", "blake2b"] = "hmac-sha256"  # the first needs a key, the others have none
    key: str = field(default="", repr=False)  # of 16 bytes or more, from the environment
    key_id: Annotated[str, Matching(r"[^:\s]*", "expected a name without blanks and colons")] = ""
    """of the key: it stands before the hash"""
    length: Annotated[int, Whole(16, 128, "fewer digits are the same for different values too often")] = 64
    unkeyed: bool = False  # says that a hash without a key does no harm
    required: bool = False  # an event with none of `fields` is a dead letter

    def __post_init__(self) -> None:
        problems = Problems()
        check_names("fields", self.fields, problems, '["client_ip"]')
        if not self.into:
            problems.add("into", "a field needs a name")
        if self.length > _DIGITS[self.method]:
            problems.add("length", f"is {self.length}, but {self.method} gives {_DIGITS[self.method]} digits")
        if self.method == "hmac-sha256":
            self._check_keyed(problems)
        else:
            self._check_unkeyed(problems)
        problems.check()
        self._hash = self._function()
        self._before = f"{self.key_id}:" if self.key_id else ""

    def process(self, events: list[Event]) -> list[Event | Fail]:
        entries: list[Event | Fail] = []
        digest, before, length = self._hash, self._before, self.length
        for event in events:
            try:
                text = identity(event, self.fields)
            except ValueError as error:
                entries.append(Fail("bad_type", str(error), event))
                continue
            if text:
                event[self.into] = before + digest(text).hex()[:length]
            elif self.required:
                why = f"the event has none of the fields {', '.join(self.fields)}"
                entries.append(Fail("missing_field", why, event))
                continue
            entries.append(event)
        return entries

    def _function(self) -> Callable[[bytes], bytes]:
        if self.method == "hmac-sha256":
            key = self.key.encode()
            return lambda text: hmac.digest(key, text, "sha256")
        function = hashlib.sha256 if self.method == "sha256" else hashlib.blake2b
        return lambda text: function(text).digest()

    def _check_keyed(self, problems: Problems) -> None:
        if not self.key:
            problems.add("key", f'{self.method} needs a key; keep it out of this file: key = "${{FINGERPRINT_KEY}}"')
        elif len(self.key.encode()) < _KEY_BYTES:
            problems.add("key", f"is shorter than {_KEY_BYTES} bytes; make one with: openssl rand -hex 32")
        if self.unkeyed:
            problems.add("unkeyed", f"{self.method} has a key; leave `unkeyed` out")

    def _check_unkeyed(self, problems: Problems) -> None:
        for name in ("key", "key_id"):
            if getattr(self, name):
                problems.add(name, f"{self.method} takes no key; hmac-sha256 does")
        if not self.unkeyed:
            problems.add(
                "method",
                f"{self.method} has no key: addresses, names and numbers are found from their hashes by trying all "
                "there are. Use hmac-sha256, or say unkeyed = true where that does no harm",
            )

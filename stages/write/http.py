"""``write.http``: batches of events as JSON to a server that takes them over HTTP; at least once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ClassVar, Literal

from tailrace.pipeline.batch import Event
from tailrace.pipeline.delivery import Batch, Request, RetryPolicy
from tailrace.pipeline.keys import Problems
from tailrace.pipeline.outgoing import About, Outgoing, Payload, Verdicts
from tailrace.pipeline.stage import Guarantee
from tailrace.stages.http.answers import Verdict, settle, verdict
from tailrace.stages.http.compression import Body, Compression, check_compression, compressor
from tailrace.stages.http.options import Basic, Bearer, Endpoint, Tls, check_header_name, check_headers
from tailrace.stages.outputs.ndjson import line_ends, to_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tailrace.stages.http.client import Client

CONTENT_TYPES = {"ndjson": "application/x-ndjson", "array": "application/json"}


@dataclass
class Http:
    """Send events to ``endpoint``: as ``application/x-ndjson``, one JSON object a line, or as one JSON ``array``.

    Delivered is what was answered with a 2xx status, or one of ``success_codes``. Tried again, after what
    ``Retry-After`` says or a backoff: 408, 425, 429, 5xx, and whatever ends without a whole answer within
    ``request.timeout``. Sent again in halves, until the records at fault stand alone and become dead letters with the
    server's words: 400, 422 (``rejected``) and 413 (``too_large``). Everything else, such as 401, 404, 501 or a
    redirect, is no record's fault: nothing more is sent until a probe gets through. ``status`` overrides that:
    ``status = { 409 = "delivered" }``, or ``"retry"``, ``"split"``, ``"reject"``, ``"park"``.

    After a lost answer or a crash a batch is sent again. ``idempotency_header`` carries a hash of its events' ids, the
    same each time the batch is tried; after a crash batches may be cut otherwise. A server that is to hold each event
    once needs a key in the event: ``enrich.origin`` gives it an ``event_id``.

    An event that JSON cannot hold is a dead letter (``rejected``); NaN and infinities are written as null. With
    ``request.concurrency`` above 1 order is lost. Write passwords, tokens and keys in ``headers`` as ``"${VARIABLE}"``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.origin"

        [[stages]]
        use = "write.http"
        endpoint = "https://logs.example.com/ingest"
        auth = { token = "${TOKEN:-none}" }
        compression = "gzip"
        batch = { max_events = 500, timeout = "2s" }
    """

    endpoint: str  # a URL
    method: Literal["POST", "PUT", "PATCH"] = "POST"  # of each request
    format: Literal["ndjson", "array"] = "ndjson"  # of the body
    compression: Compression = "none"  # of the body, too; zstd needs the extra of that name
    auth: Basic | Bearer | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    tls: Tls = field(default_factory=Tls)
    batch: Batch = field(default_factory=Batch)
    request: Request = field(default_factory=Request)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    success_codes: list[int] = field(default_factory=list)  # empty: every 2xx
    status: dict[str, Verdict] = field(default_factory=dict)
    idempotency_header: str = "Idempotency-Key"  # "" leaves it out

    guarantee: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE
    ordered: ClassVar[bool] = False  # of two requests at the same time either may arrive first

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.of("endpoint"):
            self._endpoint = Endpoint.parse(self.endpoint)
            if self.tls != Tls() and not self._endpoint.tls:
                problems.add("tls", 'is for an endpoint that begins with "https://"')
        taken = {"content-type": "format"} | ({"authorization": "auth"} if self.auth is not None else {})
        if self.idempotency_header:
            with problems.of("idempotency_header"):
                check_header_name(self.idempotency_header)
            taken[self.idempotency_header.lower()] = "idempotency_header"
        with problems.of(""):
            check_headers(self.headers, taken)
        for code in self.success_codes:
            if not 200 <= code < 600:
                problems.add("success_codes", f"has {code}, expected HTTP statuses from 200 to 599")
        for text in self.status:
            if not (text.isascii() and text.isdigit() and 200 <= int(text) < 600):
                problems.add(f"status.{text}", "is not an HTTP status from 200 to 599")
            elif int(text) in self.success_codes:
                problems.add(f"status.{text}", "is in success_codes, too")
        problems.check()
        check_compression(self.compression)
        self.given_plain = False  # set when the chain is built
        self._client: Client | None = None  # that and what follows belong to the sink's threads
        self._clock: Callable[[], float] = time.time

    # In a worker.

    def encode(self, events: list[Event]) -> Iterable[Payload]:
        if not events:
            return []
        data = to_lines(events, self.given_plain)
        return [Payload(self._endpoint.name, data, line_ends(data))]

    # In the sink's threads.

    def connect(self, about: About) -> None:
        """Nothing is sent: many servers know no request that has no effect. Files of ``tls`` are read anew."""
        from tailrace.stages.http.client import Client  # slow to import, and workers need none

        self.close()
        self._compress = compressor(self.compression)
        self._client = Client(
            self._endpoint, auth=self.auth, headers=self.headers, tls=self.tls, timeout=self.request.timeout,
            about=about,
        )  # fmt: skip

    def deliver(self, batch: Outgoing) -> Verdicts | None:
        assert self._client is not None, "connect() comes first"
        headers = {"Content-Type": CONTENT_TYPES[self.format]}
        if self.compression != "none":
            headers["Content-Encoding"] = self.compression
        if self.idempotency_header:
            headers[self.idempotency_header] = _key(batch)
        answer = self._client.send(self.method, self._compress(self._body(batch.data)), headers)
        return settle(answer, verdict(answer.status, self.success_codes, self.status), len(batch), self._clock())

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _body(self, data: Any) -> Body:
        if self.format == "ndjson":
            return data  # type: ignore[no-any-return]  # of the same types
        return b"[%b]" % bytes(data[:-1]).replace(b"\n", b",")  # a JSON line holds no newline of its own


def _key(batch: Outgoing) -> str:
    return blake2b("\n".join(batch.ids).encode(), digest_size=16).hexdigest()

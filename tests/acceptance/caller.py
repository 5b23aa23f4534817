"""Raw HTTP, as a stranger's program sends it: any body, any header, and the answer as it came."""

import http.client
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 20.0


def crowded() -> float:
    """How many times slower this machine is just now than one that does nothing else; 1 at least."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status, body and headers (names in lower case) of one request."""

    status: int
    text: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        assert self.headers.get("content-type", "").startswith("application/json"), (self.status, self.text[:200])
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of a refusal, after its shape was looked at."""
        error = self.json["error"]
        assert set(error) == {"code", "message", "retry"}
        assert error["code"].isidentifier() and error["message"] and isinstance(error["retry"], bool)
        return str(error["code"])

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.code


def ask(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request. Bytes go out as they are, anything else as JSON. Raises OSError where no answer came."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    sent = {"Accept-Language": "en", **(headers or {})}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, url.removeprefix(f"{parts.scheme}://{parts.netloc}"), body, sent)
        came = connection.getresponse()
        named = {name.lower(): value for name, value in came.getheaders()}
        return Answer(status=came.status, text=came.read(), headers=named)
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A third party with a key."""

    url: str
    key: str

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Header names with _ for -; `X_API_Key=""` leaves the key out."""
        named = {"X-API-Key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if not named["X-API-Key"]:
            del named["X-API-Key"]
        return ask(method, f"{self.url}/api/v1{path}", body, named)

    def get(self, path: str) -> Any:
        answer = self("GET", path)
        assert answer.status == 200, (path, answer.status, answer.text[:300])
        return answer.json

    def all_of(self, path: str, limit: int = 200) -> list[dict[str, Any]]:
        """Every page of a list, one after the other."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            assert set(page) == {"items", "next"} and len(page["items"]) <= limit
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = page["next"]

    def sell(self, circuit: Mapping[str, Any], amount_minor: int, key: str = "") -> Answer:
        return self("POST", "/sales", order(circuit, amount_minor), Idempotency_Key=key or str(uuid.uuid4()))

    def settled(self, sale_id: str, within_s: float) -> dict[str, Any]:
        return dict(eventually(
            lambda: self.get(f"/sales/{sale_id}"),
            lambda sale: sale["delivery"]["state"] in ("confirmed", "refused", "disputed"), within_s,
        ))  # fmt: skip


def order(circuit: Mapping[str, Any], amount_minor: int) -> dict[str, Any]:
    return {"contract_number": circuit["contract_number"], "circuit_id": circuit["id"], "amount_minor": amount_minor,
            "tender": "cash"}  # fmt: skip


def eventually(look: Callable[[], Any], good: Callable[[Any], bool], within_s: float) -> Any:
    """What `look` gives once it is good."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if good(found):
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s: {found}"
        time.sleep(0.1)

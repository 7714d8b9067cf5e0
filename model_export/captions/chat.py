"""One question to an OpenAI-compatible chat endpoint, over the standard library, with retries.

A busy or failing server (429, 5xx), a lost connection and a time-out are tried again after a growing pause, or after
what the server's `Retry-After` asks for. An endpoint that refuses the key or knows no such address or model will not
change its mind: `EndpointError` ends the whole run. Any other refusal concerns the one question: `AnswerError`.
"""

import http.client
import json
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from model_export.errors import TrainingError

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_FOR_ALL = {401: "refuses the key", 403: "refuses the key", 404: "knows no such address or model"}
_LONGEST_PAUSE = 60.0
_SHOWN = 200


class EndpointError(TrainingError):
    """An endpoint that answers nobody: wrong address, key or model, or nothing listens there."""


class UnreachableError(EndpointError):
    """An endpoint that cannot be connected to, or that hangs up."""


class AnswerError(TrainingError):
    """One question that got no usable answer."""


@dataclass(frozen=True, slots=True)
class Chat:
    """An endpoint (`.../v1`), a model, the key (may be "") and how patient to be: seconds a try, tries, first pause."""

    endpoint: str
    model: str
    key: str = ""
    timeout: float = 60.0
    tries: int = 5
    pause: float = 1.0

    @property
    def address(self) -> str:
        """Where questions go; EndpointError when the endpoint is no http or https address."""
        try:
            parts = urlsplit(self.endpoint)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise EndpointError(f"{self.endpoint!r} is no endpoint; give an address like http://localhost:8000/v1")
        plain = self.endpoint.rstrip("/")
        return plain if plain.endswith("/chat/completions") else f"{plain}/chat/completions"

    def ask(self, messages: list[dict[str, str]]) -> str:
        """The text of the model's answer.

        Raises:
            EndpointError: the endpoint answers nobody; UnreachableError where it cannot be connected to.
            AnswerError: this question got no answer within the tries, or one that is not of the protocol.
        """
        body = json.dumps({"model": self.model, "messages": messages}).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(self.address, data=body, headers=headers, method="POST")
        problem: TrainingError = AnswerError("not asked")
        for attempt in range(self.tries):
            wait = self.pause * 2**attempt * random.uniform(0.8, 1.2)
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    return _text(response.read())
            except urllib.error.HTTPError as error:
                with error:
                    problem = self._refusal(error)
                    wait = _asked(error.headers.get("Retry-After"), wait)
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                if isinstance(reason, TimeoutError):
                    problem = AnswerError(f"{self.endpoint} gave no answer within {self.timeout:g} s")
                else:
                    problem = UnreachableError(f"{self.endpoint} cannot be reached ({reason})")
            except AnswerError as error:
                problem = error
            if attempt + 1 < self.tries:
                time.sleep(min(wait, _LONGEST_PAUSE))
        raise problem

    def _refusal(self, error: urllib.error.HTTPError) -> TrainingError:
        """The error to raise when tries run out; one that another try cannot mend is raised at once."""
        said = " ".join(error.read(4096).decode("utf-8", "replace").split())[:_SHOWN]
        if error.code in _FOR_ALL:
            raise EndpointError(f"{self.endpoint} {_FOR_ALL[error.code]} (HTTP {error.code}: {said})")
        problem = AnswerError(f"HTTP {error.code}: {said}")
        if error.code not in _AGAIN:
            raise problem
        return problem


def _asked(retry_after: str | None, wait: float) -> float:
    """The pause that the server asks for in seconds, else the given one."""
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return wait


def _text(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError) as error:
        raise AnswerError(f"the answer is not of the chat protocol: {body[:_SHOWN]!r}") from error
    if not isinstance(content, str):
        raise AnswerError("the answer holds no text")
    return content

"""HTTP/1.1 as uvicorn reads it with httptools, with a bound on what comes beside bodies.

httptools takes a fraction of the time that h11 takes for a request, but sets no limits: a head that never ends, and
thousands of requests that are sent ahead of their answers, would all be kept. Here both end the connection, as whatever
else is no HTTP does (a method of one's own too): with a 400, unless another answer is on its way.
"""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a head, or of anything else that is no body (trailers, chunks' own lines) in one piece; h11 takes as many.
MAX_BESIDE: Final = 64 * 1024
# Requests that wait for the answers of those before them on their connection.
MAX_AHEAD: Final = 16
_EXPECTED: Final = f"Send HTTP/1.1, with a method that it has, and a head of {MAX_BESIDE // 1024} KiB at most."


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._beside = 0  # bytes since a head was complete or a piece of a body came

    def data_received(self, data: bytes) -> None:
        """Take what came in."""
        self._beside += len(data)
        super().data_received(data)
        if self._beside > MAX_BESIDE and not self.transport.is_closing():
            self.send_400_response("Too much beside the body.")

    def on_message_begin(self) -> None:
        """Begin a request, or end the connection (httptools makes an error of its own of any error here)."""
        if len(self.pipeline) >= MAX_AHEAD:
            raise ValueError("too many requests ahead of their answers")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand a request on."""
        self._beside = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._beside = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """End the connection, and say why where that is not taken for a part of another answer."""
        if self.cycle is None or self.cycle.response_complete:
            from service import edge, problems

            body = problems.problem("bad-request", f"{msg} {_EXPECTED}").model_dump_json(exclude_none=True).encode()
            headers = {
                "Content-Type": problems.MEDIA_TYPE,
                "Content-Length": str(len(body)),
                "Connection": "close",
                **edge.SECURITY_HEADERS,
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{head}\r\n".encode() + body)
        self.transport.close()

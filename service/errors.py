"""What can go wrong in the service itself, in the manner of `encoders.errors`.

    EmotionRankError
      ServiceError
        SettingsInvalid      a setting has a value that cannot be used (command line, environment)
        Overloaded           too much is waiting already; the caller should try again (Retry-After)
        NotReady             the service cannot search now; the message says why
        StorageFull          an upload could not be written
        UploadsUnavailable   the service has no folder to keep uploads in
      InputError
        RequestInvalid       a query parameter or form field is unknown or malformed
        BodyTooSlow          the body does not come, or only trickles in
        BodyMalformed        the body is not the JSON or the multipart form that it says it is
        MediaTypeUnsupported the body has another content type than the route reads
        UploadTooLarge       the body is larger than the service takes
        TooManyFiles         one request holds more files than the service takes
        AudioTooCostly       decoding an upload needs more memory or time than a recording may
        AudioMissing         the clip is known, but its file is no longer where it was
        AccessRefused        who asks may not, or not now; `headers` are those of the answer
          KeyMissing         the route needs a key, and none was sent
          KeyUnknown         the key is none that the service knows
          KeyInsufficient    the key lacks the scope that the route needs
          HostRefused        the service is not reached under that name
          OriginRefused      a web page of somebody else's may not change anything here
          RateLimited        the caller sent too many requests in a time
          ConcurrencyLimited too many requests of the caller are being answered already

The messages of all of these may leave the service; those of libraries and bundles name paths and may not.
"""

# The names follow the working vocabulary ("TooManyFiles"); the suffix would add nothing.
# ruff: noqa: N818

from collections.abc import Mapping
from typing import ClassVar

from encoders.errors import EmotionRankError, InputError


class ServiceError(EmotionRankError):
    """The service cannot do it now, whatever the request."""

    code: ClassVar[str] = "service-error"


class SettingsInvalid(ServiceError):
    """A setting has a value that cannot be used."""

    code: ClassVar[str] = "settings-invalid"


class Overloaded(ServiceError):
    """Too much is waiting already. `retry_after` is the pause in seconds that the caller is asked for."""

    code: ClassVar[str] = "overloaded"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(ServiceError):
    """The service runs but cannot search now; the message says why."""

    code: ClassVar[str] = "not-ready"


class StorageFull(ServiceError):
    """An upload could not be written to the disk."""

    code: ClassVar[str] = "storage-full"


class UploadsUnavailable(ServiceError):
    """The service has no folder in which the audio of uploads could be kept."""

    code: ClassVar[str] = "uploads-unavailable"


class RequestInvalid(InputError):
    """A parameter or form field is unknown or malformed; `where` is its place, such as "query k"."""

    code: ClassVar[str] = "request-invalid"

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.reason = message


class BodyTooSlow(InputError):
    """The body does not come, or comes too slowly to be waited for."""

    code: ClassVar[str] = "body-too-slow"


class BodyMalformed(InputError):
    """The body is not the JSON or the multipart form that it says it is."""

    code: ClassVar[str] = "body-malformed"


class MediaTypeUnsupported(InputError):
    """The body has another content type than the route reads."""

    code: ClassVar[str] = "media-type-unsupported"


class UploadTooLarge(InputError):
    """The body is larger than the service takes."""

    code: ClassVar[str] = "upload-too-large"


class TooManyFiles(InputError):
    """One request holds more files than the service takes."""

    code: ClassVar[str] = "too-many-files"


class AudioTooCostly(InputError):
    """Decoding an upload needs more memory or time than any recording should: a decompression bomb, or bad luck."""

    code: ClassVar[str] = "audio-too-costly"


class AudioMissing(InputError):
    """The clip is known, but its audio is no longer where it was when it was added."""

    code: ClassVar[str] = "audio-missing"


class AccessRefused(InputError):
    """Who asks may not, or not now. `headers` belong to the answer."""

    code: ClassVar[str] = "access-refused"

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})


class KeyMissing(AccessRefused):
    """The route needs a key, and none was sent."""

    code: ClassVar[str] = "key-missing"


class KeyUnknown(AccessRefused):
    """The key is none that the service knows."""

    code: ClassVar[str] = "key-unknown"


class KeyInsufficient(AccessRefused):
    """The key lacks the scope that the route needs."""

    code: ClassVar[str] = "key-insufficient"


class HostRefused(AccessRefused):
    """The service is not reached under the name that the request gives it."""

    code: ClassVar[str] = "host-refused"


class OriginRefused(AccessRefused):
    """A web page of somebody else's may not change anything here."""

    code: ClassVar[str] = "origin-refused"


class RateLimited(AccessRefused):
    """The caller sent too many requests in a time; the next is taken in `retry_after` seconds."""

    code: ClassVar[str] = "rate-limited"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)})


class ConcurrencyLimited(AccessRefused):
    """Too many requests of the caller are being answered already; `retry_after` is a guess, in seconds."""

    code: ClassVar[str] = "concurrency-limited"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)})

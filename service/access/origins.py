"""Keeps other people's web pages out of a service that asks for no key.

A browser on the machine that serves reaches the service, and so does, through it, every page that it shows. Two doors:

- *A page posts a form* to http://127.0.0.1:8000. Browsers allow that between any two sites, and name the page's site in
  `Origin`. A request that may change something (all but GET, HEAD, OPTIONS) is refused when it comes from another one.
- *DNS rebinding*: a page's own name is pointed at 127.0.0.1, and then the service is that page's own site. The name
  stands in `Host`: only `localhost`, IP addresses (which nobody can rebind) and the names of the setting are answered.

Where a key is asked for, neither is checked: a page that has no key gets nowhere, and one that has it may.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

from service.errors import HostRefused, OriginRefused

_HOST: Final = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]@/\s]+))(?::[0-9]{1,5})?")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SHOWN: Final = 100  # characters of a name that are repeated to its sender


@dataclass(frozen=True, slots=True)
class Origins:
    """The names under which the service is reached, and the origins whose pages may use it."""

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, hosts: Iterable[str], origins: Iterable[str]) -> "Origins":
        """Take the names and origins of the settings."""
        return cls(frozenset(host.lower() for host in hosts), frozenset(origin.lower() for origin in origins))

    def check(self, method: str, headers: Headers) -> None:
        """Raise `HostRefused` or `OriginRefused` where a page of somebody else's may be behind the request."""
        host = headers.get("host")
        if host is not None and not self._is_ours(_name_of(host)):
            raise HostRefused(
                f"the request is for {host[:_SHOWN]!r}, which is no name of this service. It asks for no key, so it "
                "answers to localhost, to IP addresses and to the names of EMOTIONRANK_HOSTS (--hosts) only."
            )
        if method in _SAFE:
            return
        origin = headers.get("origin")
        if origin is None:
            # Every browser sends Origin with such a request; most also say this, which no page can change.
            foreign = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
        else:
            foreign = not self._is_allowed(origin.lower(), (host or "").lower())
        if foreign:
            raise OriginRefused(
                f"the request comes from a web page of {(origin or 'another site')[:_SHOWN]!r}. Pages from elsewhere "
                "may use this service when EMOTIONRANK_CORS (--cors) names their origin."
            )

    def _is_ours(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost") or name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_allowed(self, origin: str, host: str) -> bool:
        scheme, _, site = origin.partition("://")
        if scheme not in {"http", "https"}:
            return False
        # A proxy may pass another Host on than the one that the page's site has.
        return (site != "" and site == host) or origin in self.origins or _name_of(site) in self.hosts


def _name_of(host: str) -> str:
    """Return the name or address in a Host header, in small letters and without its port; "" for nonsense."""
    found = _HOST.fullmatch(host)
    return (found["bracketed"] or found["name"]).lower().rstrip(".") if found else ""

"""Which scope a caller's key must have for a route: said beside the route, enforced by `service.access.guard`.

    @routes.get("/clips", ..., openapi_extra=needs(READ))

This is OpenAPI's own form of it (a security requirement), so the document says what holds. A key with any one of the
scopes will do. A route that says nothing needs WRITE, the most; a path that no route has needs any key, so that a
caller without one learns nothing of what is there. OPEN is for what tells nothing of the library: health, and pages
for people. Numbers for an operator (METRICS) may be read with a key of that scope alone, which hears no voice, or
with one that may read anyway.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final, cast

from fastapi import APIRouter
from fastapi.routing import APIRoute

from service import problems
from service.access.keys import SCOPES, KeyScope

Needs = frozenset[KeyScope]

OPEN: Final[Needs] = frozenset()
READ: Final[Needs] = frozenset({"read"})
WRITE: Final[Needs] = frozenset({"write"})
METRICS: Final[Needs] = frozenset({"metrics", "read"})
ANY: Final[Needs] = frozenset(SCOPES)

_SCHEME: Final = "key"
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def needs(any_of: Needs) -> dict[str, Any]:
    """Say what a route needs, as its `openapi_extra`."""
    return {"security": [{_SCHEME: [scope]} for scope in sorted(any_of)]}


def needed_by(route: APIRoute) -> Needs:
    """Return what a route says that it needs; WRITE where it says nothing."""
    said = (route.openapi_extra or {}).get("security")
    if said is None:
        return WRITE
    return cast("Needs", frozenset(scope for alternative in said for scope in alternative[_SCHEME]))


@dataclass(frozen=True, slots=True)
class Rules:
    """What every route of an application needs, made to be asked at each request."""

    open_paths: frozenset[str]
    fixed: Mapping[tuple[str, str], Needs]  # (method, path)
    patterns: tuple[tuple[frozenset[str], Pattern[str], Needs], ...]

    @classmethod
    def of(cls, routers: Iterable[APIRouter], open_paths: Iterable[str] = ()) -> "Rules":
        """Read them off the routes. An open path has no parameters, and is open whatever the method."""
        open_, fixed, patterns = set(open_paths), {}, []
        for route in (route for router in routers for route in router.routes):
            assert isinstance(route, APIRoute), route
            needed, methods = needed_by(route), frozenset(route.methods or ())
            if not needed:
                assert "{" not in route.path, route.path
                open_.add(route.path)
            elif "{" in route.path:
                patterns.append((methods, route.path_regex, needed))
            else:
                fixed.update({(method, route.path): needed for method in methods})
        assert not open_ & {path for _, path in fixed}, "a path is open for all of its methods or for none"
        return cls(frozenset(open_), fixed, tuple(patterns))

    def needed(self, method: str, path: str) -> Needs:
        """Return what a request needs that is not to an open path."""
        found = self.fixed.get((method, path))
        if found is not None:
            return found
        for methods, pattern, needed in self.patterns:
            if method in methods and pattern.match(path):
                return needed
        return ANY


def describe(document: dict[str, Any], *, keys: bool, limited: bool) -> None:
    """Make an OpenAPI document say how this service is guarded: with keys or without, with limits or without."""
    refusals = ["key-missing", "key-unknown", "key-insufficient"] if keys else ["host-refused", "origin-refused"]
    if limited:
        refusals += ["rate-limited", "concurrency-limited"]
    for item in document["paths"].values():
        for operation in (item[method] for method in _METHODS if method in item):
            if operation.get("security") != []:
                problems.add_documented(operation["responses"], *refusals)
            if not keys:
                operation.pop("security", None)
    if keys:
        document["components"]["securitySchemes"] = {
            _SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, as `emotionrank keys new` makes it, with one of the scopes "
                f"{', '.join(SCOPES)}. A route names those that will do.",
            }
        }

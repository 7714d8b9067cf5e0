"""What nobody could work on is refused (429) before it costs anything: before its body is read, and before routing.

A full service is one that answers mostly refusals, on the cores that it has too few of: routing and the way of an
exception through the framework are a third of what a refusal takes. So `Refuse` is a plain ASGI middleware, within that
of access (a caller who may not ask is told so, full or not). What has no body takes its seat where its work is, and is
refused there.
"""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from starlette.types import ASGIApp, Receive, Scope, Send

from service import problems
from service.engine import Engine
from service.errors import Overloaded
from service.inference.lanes import Lane
from service.intake import JSON, GuardedRoute


class Refuse:
    """The middleware; the module's docstring says what it does."""

    def __init__(self, app: ASGIApp, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes: Final = {
            (method, route.path): route
            for router in routers
            for route in router.routes
            if isinstance(route, GuardedRoute) and route.reads is not None
            for method in route.methods or ()
        }
        assert not any("{" in path for _, path in self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        route = None
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))))
        if route is not None:
            try:
                _lane_of(route, scope["app"].state.engine).refuse_if_full()
            except Overloaded as error:
                scope["route"] = route  # as routing says it, for the metrics
                await problems.overloaded(error, instance=scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _lane_of(route: GuardedRoute, engine: Engine) -> Lane:
    return engine.quick if route.reads == JSON else engine.audio

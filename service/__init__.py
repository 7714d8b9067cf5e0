"""The HTTP face: search and describe speech by how it feels, over a network.

`create_app` (in `service.app`) makes the FastAPI application from `Settings`; `service.commands` holds the
command line's `serve` and `demo`. Import from the modules: this package imports none of them itself.
"""

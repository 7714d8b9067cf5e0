"""The page at /docs: the OpenAPI document as plain HTML, for people.

Drawn on the server, without scripts and without anything from elsewhere, so it is the same behind a firewall
and on an aeroplane. /openapi.json is the document itself, for code generators and interactive clients.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="css/tokens.css">
<link rel="stylesheet" href="css/docs.css">
</head>
<body>
<main>
<h1>{title}</h1>
"""

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """Draw an OpenAPI document as one HTML page."""
    return "".join(_page(document))


def _page(document: Document) -> Iterator[str]:
    info = document["info"]
    yield _HEAD.format(title=escape(f"{info['title']} {info['version']}"))
    yield _paragraphs(info.get("description", ""))
    yield '<p><a href="openapi.json">openapi.json</a>: the same for programs (OpenAPI 3.1).</p>\n'
    operations = [
        (method, path, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    ]
    yield '<nav aria-label="Routes"><table><tbody>\n'
    for method, path, operation in operations:
        yield (
            f'<tr><td><code><span class="method">{method.upper()}</span> '
            f'<a href="#{escape(operation["operationId"])}">{escape(path)}</a></code></td>'
            f"<td>{escape(operation['summary'])}</td></tr>\n"
        )
    yield "</tbody></table></nav>\n"
    for method, path, operation in operations:
        yield from _operation(document, method, path, operation)
    for name, schema in document["components"]["schemas"].items():
        if "properties" in schema and not name.startswith("Body_"):
            yield f'<section class="operation" id="{escape(name)}">\n<h2>{escape(name)}</h2>\n'
            yield _paragraphs(schema.get("description", ""))
            yield _fields(schema)
            yield "</section>\n"
    yield "</main>\n</body>\n</html>\n"


def _operation(document: Document, method: str, path: str, operation: Document) -> Iterator[str]:
    yield f'<section class="operation" id="{escape(operation["operationId"])}">\n'
    yield f"<h2>{escape(operation['summary'])}</h2>\n"
    yield f'<p><code><span class="method">{method.upper()}</span> {escape(path)}</code></p>\n'
    yield _paragraphs(operation.get("description", ""))
    if scopes := [scope for either in operation.get("security", ()) for named in either.values() for scope in named]:
        yield f"<p>Needs a key with the scope {' or '.join(f'<code>{escape(scope)}</code>' for scope in scopes)}.</p>\n"
    if parameters := operation.get("parameters"):
        yield "<h3>Parameters</h3>\n"
        yield _table((p["name"], p["schema"], p.get("required"), p.get("description")) for p in parameters)
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolve(document, content["schema"])
        yield f"<h3>Body: <code>{escape(media_type)}</code></h3>\n"
        yield _fields(schema)
        for example in schema.get("examples", ()):
            yield _example(example)
    yield "<h3>Answers</h3>\n"
    for status, answer in operation["responses"].items():
        yield f"<p><code>{escape(status)}</code> {escape(answer['description'])}</p>\n"
        for media_type, content in answer.get("content", {}).items():
            if media_type == "application/json":
                yield f'<p class="soft"><code>{media_type}</code> {_type(content["schema"])}</p>\n'
                for example in _resolve(document, content["schema"]).get("examples", ()):
                    yield _example(example)
            else:
                names = ", ".join(
                    f"<code>{escape(value['value']['type'])}</code>" for value in content.get("examples", {}).values()
                )
                yield f'<p class="soft"><code>{escape(media_type)}</code> {names}</p>\n'
    yield "</section>\n"


def _fields(schema: Document) -> str:
    required = schema.get("required", ())
    return _table(
        (name, field, name in required, _meaning(field)) for name, field in schema.get("properties", {}).items()
    )


def _table(rows: Iterable[tuple[str, Document, bool | None, str | None]]) -> str:
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_type(schema)}</td>"
        f"<td>{'required' if required else escape(_default(schema))}</td><td>{_codes(text or '')}</td></tr>\n"
        for name, schema, required, text in rows
    )
    head = "<tr><th>Name</th><th>Type</th><th>Default</th><th>Meaning</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>\n{body}</tbody></table></div>\n'


def _meaning(field: Document) -> str | None:
    """Return a field's description; of an optional one, that of what it may be."""
    options = [field, *field.get("anyOf", ()), *field.get("allOf", ())]
    return next((str(option["description"]) for option in options if "description" in option), None)


def _resolve(document: Document, schema: Document) -> Document:
    """Follow a reference into the document."""
    if "$ref" not in schema:
        return schema
    target: Document = document
    for key in schema["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return target


def _type(schema: Document) -> str:
    """Draw a type as HTML; the name of an object leads to its section."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if schema.get("format") == "binary" or "contentMediaType" in schema:
        return "file"
    kind = escape(str(schema.get("const") or schema.get("type", "any")))
    low, high = schema.get("minimum"), schema.get("maximum")
    return kind if low is None or high is None else f"{kind} {low:.12g}..{high:.12g}"


def _default(schema: Document) -> str:
    return json.dumps(schema["default"]) if schema.get("default") is not None else ""


def _example(value: object) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>\n'


def _paragraphs(text: str) -> str:
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "".join(f"<p>{_codes(part)}</p>\n" for part in parts if part)


def _codes(text: str) -> str:
    pieces = text.split("`")
    return "".join(
        f"<code>{escape(piece)}</code>" if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )

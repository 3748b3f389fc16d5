"""A service's OpenAPI 3.1 document, with every problem that a route may answer."""

import inspect
import re
from typing import Any, get_args

import msgspec
from litestar import Litestar

from chassis.auth.access import INTERNAL, LOGGED_IN, PUBLIC, TOKEN_IGNORED
from chassis.problems import (
    CONTENT_TYPE,
    Forbidden,
    InternalError,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    Problem,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "application/problem+json (RFC 9457)",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; branch on this."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_STOP = re.compile(r"[.:;](?:\s|$)")
METHODS = ("get", "post", "put", "patch", "delete")


def describe(app: Litestar) -> dict[str, Any]:
    """The document of one service: only public routes, with problems and the bearer scheme filled in."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    handlers = {
        handler.operation_id: handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if hasattr(handler, "operation_id")
    }
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    paths = {}
    for path, item in document.get("paths", {}).items():
        if path.startswith("/internal"):
            continue
        for method in METHODS:
            if method in item:
                handler = handlers[item[method]["operationId"]]
                _describe_in_words(item[method], handler)
                _describe_body(item[method], handler.opt.get("body"), schemas)
                _describe_text(item[method], handler.opt.get("takes"))
                _describe_operation(path, item[method], handler.opt)
                _describe_answers(handler, schemas)
        paths[path] = item
    document["paths"] = paths
    schemas["Problem"] = PROBLEM_SCHEMA
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    return document


def _describe_in_words(operation: dict[str, Any], handler: Any) -> None:
    """The summary of a route without one: the start of its handler's docstring, up to a full stop, colon
    or semicolon. Litestar would use the function's name."""
    words = inspect.getdoc(handler.fn)
    if words and not handler.summary:
        operation["summary"] = _STOP.split(words, maxsplit=1)[0]
        operation.setdefault("description", words)


def _describe_body(operation: dict[str, Any], kind: Any, schemas: dict[str, Any]) -> None:
    if kind is None:
        return
    (schema,), found = msgspec.json.schema_components(
        [kind], ref_template="#/components/schemas/{name}"
    )
    for name, schema_of_it in found.items():
        schemas[name] = _in_clean_words(schema_of_it)
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": schema}},
    }


def _describe_text(operation: dict[str, Any], kind: str | None) -> None:
    """A body that is a text of another media type than JSON."""
    if kind is not None:
        content = {kind: {"schema": {"type": "string"}}}
        operation["requestBody"] = {"required": True, "content": content}


def _describe_answers(handler: Any, schemas: dict[str, Any]) -> None:
    """Adds the docstrings of an answer's structs, which Litestar leaves out."""
    kinds = [spec.data_container for spec in (handler.responses or {}).values()]
    kinds.append(inspect.signature(handler.fn, eval_str=True).return_annotation)
    structs = {one for kind in kinds for one in (kind, *get_args(kind)) if _is_struct(one)}
    _, found = msgspec.json.schema_components(structs)
    for name, schema in found.items():
        if name in schemas and "description" in schema:
            schemas[name].setdefault("description", _in_clean_words(schema)["description"])


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _in_clean_words(schema: dict[str, Any]) -> dict[str, Any]:
    """Removes the code's indentation from the docstring."""
    if "description" not in schema:
        return schema
    return schema | {"description": inspect.cleandoc(schema["description"])}


def _describe_operation(path: str, operation: dict[str, Any], opt: dict[str, Any]) -> None:
    allowed: frozenset[str] = opt.get("access", frozenset())
    problems: list[type[Problem]] = [ValidationFailed, RateLimited, InternalError, Overloaded]
    problems += opt.get("problems", ())
    if not allowed & {PUBLIC, INTERNAL}:
        operation["security"] = [{"bearer": []}]
    problems.append(Unauthenticated)  # an invalid token is refused on public routes too
    if allowed - {PUBLIC, TOKEN_IGNORED, LOGGED_IN, INTERNAL}:
        problems.append(Forbidden)
    if "{" in path:
        problems.append(NotFound)
    if "requestBody" in operation:
        problems += [PayloadTooLarge, UnsupportedMediaType]
    if "204" in operation["responses"]:
        operation["responses"]["204"].pop("content", None)  # Litestar documents a body of null
    if opt.get("csv"):
        schema = {"type": "string", "description": opt["csv"]}
        operation["responses"]["200"]["content"]["text/csv"] = {"schema": schema}
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    for status, kinds in sorted(by_status.items()):
        codes = sorted({kind.code for kind in kinds})
        operation["responses"][str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }

"""What several routes read from a request."""

from typing import Any

from litestar import Request

from catalog.composition import Catalog


def catalog_of(request: Request[Any, Any, Any]) -> Catalog:
    catalog: Catalog = request.app.state.catalog
    return catalog

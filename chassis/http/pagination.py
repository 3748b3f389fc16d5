"""Pages of lists: `?page=1&page_size=20`, at most 100 a page (API.md)."""

from typing import Annotated

from litestar.params import QueryParameter

PAGE_SIZE_MAX = 100
PAGE_MAX = 10_000  # a deeper offset costs the database more than it is worth

PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=PAGE_MAX, description="From 1.")]
PageSize = Annotated[int, QueryParameter(name="page_size", ge=1, le=PAGE_SIZE_MAX)]


def offset(page: int, page_size: int) -> int:
    return (page - 1) * page_size

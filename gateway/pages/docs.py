"""/docs: Swagger UI from its package, with our own page and script and nothing inline."""

from importlib.util import find_spec
from pathlib import Path

from gateway.http.static import File, load_files

PACKAGE = "flask_swagger_ui"  # the best-kept wheel of Swagger UI; we use its files, not Flask
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
CACHE_CONTROL = b"public, max-age=3600"


def docs_files() -> dict[str, File]:
    """The page and its assets, by path. Raises RuntimeError if the package is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("flask-swagger-ui is not installed, so there is no /docs page.")
    shipped = load_files(
        Path(next(iter(spec.submodule_search_locations))) / "dist", "/docs/assets", CACHE_CONTROL
    )
    files = load_files(Path(__file__).resolve().parents[2] / "web" / "docs", "/docs")
    files |= {f"/docs/assets/{name}": shipped[f"/docs/assets/{name}"] for name in ASSETS}
    return files

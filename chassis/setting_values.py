"""Values of settings that need more than a line to check. Each raises ValueError with the rest of a sentence
that begins with the key."""

from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from urllib.parse import urlsplit

OTLP_PACKAGE = "opentelemetry-exporter-otlp-proto-http"


def share(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError("must be a share from 0 to 1, such as 0.01")
    return found


def otlp_endpoint(text: str, *, package: str = OTLP_PACKAGE) -> str:
    """The base of OTLP over HTTP. `package`: without which nothing can be sent."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a base URL such as http://collector:4318")
    if parts.query or parts.fragment:
        raise ValueError("must be a base URL, with nothing after the path")
    if "@" in parts.netloc:
        raise ValueError("must have no password: put it into OTEL_EXPORTER_OTLP_HEADERS")
    if parts.path.rstrip("/").endswith(("/v1/traces", "/v1/metrics")):
        raise ValueError("must be the base URL: /v1/traces and /v1/metrics are added to it")
    try:
        version(package)
    except PackageNotFoundError:
        raise ValueError("needs OpenTelemetry: install stampede[otlp]") from None
    return text


def dns_servers(text: str) -> tuple[str, ...]:
    servers = tuple(part.strip() for part in text.split(",") if part.strip())
    for one in servers:
        try:
            parts = urlsplit(f"//{one}")
            ip_address(parts.hostname or "")
            _ = parts.port
        except ValueError:
            raise ValueError(
                "must be IP addresses with or without a port, separated by commas, such as "
                "127.0.0.1:8600"
            ) from None
    return servers

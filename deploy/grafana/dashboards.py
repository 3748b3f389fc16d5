"""Writes Grafana's dashboards: `make dashboards`, or with a folder to write them elsewhere.

docs/metrics.md says what each metric means, docs/dashboards.md how to load the files. Every expression
is parsed and its names are compared with that page by tests/deployment/test_dashboards.py.
"""

import sys
from pathlib import Path

import events
import money
import sale
import services
import stores
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = (sale.BOARD, services.BOARD, stores.BOARD, money.BOARD, events.BOARD)


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for found in BOARDS:
        text = JSONEncoder(sort_keys=True, indent=1).encode(found)
        (folder / f"{found.uid}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

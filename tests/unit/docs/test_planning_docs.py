"""docs/planning.md has every option of `stampede plan`, and none that there is not."""

import re
from pathlib import Path

from stampede.cli.main import stampede

PAGE = Path(__file__).resolve().parents[3] / "docs" / "planning.md"
OF_OTHERS = {"--save", "--repeat", "--workers", "--times", "--people"}  # bench, loadtest.predicting


def test_every_option_of_the_plan_is_on_its_page() -> None:
    told = set(re.findall(r"--[a-z][a-z-]+", PAGE.read_text(encoding="utf-8")))
    there = {name for option in stampede.commands["plan"].params for name in option.opts}
    assert told - OF_OTHERS == there - OF_OTHERS

"""All cases by name, in the order in which they run on each program."""

from loadtest.bench import cases
from loadtest.bench.pressure import PRESSURE
from loadtest.bench.sale import FLASH_SALE

CASES = cases.CASES | {case.name: case for case in (*PRESSURE, FLASH_SALE)}

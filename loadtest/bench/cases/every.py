"""All cases by name, in the order in which they run on each program."""

from loadtest.bench.cases import plain as cases
from loadtest.bench.cases.flash_sale import FLASH_SALE
from loadtest.bench.cases.pressure import PRESSURE

CASES = cases.CASES | {case.name: case for case in (*PRESSURE, FLASH_SALE)}

"""A session with categories, fees and tax, as booking reads its terms (tests.support.booking.Neighbours)."""

from contracts.prices import CategoryTerms, FeeTerms, PriceTerms, TaxTerms

ADULT, STUDENT, CHILD = 128_000, 64_000, 10_000  # in the seated area
PRICES = PriceTerms(
    categories=[
        CategoryTerms("adult", "成人", [ADULT, 68_000]),
        CategoryTerms("student", "学生", [STUDENT, 34_000], proof="学生证"),
        CategoryTerms("child", "儿童", [CHILD, None], max_per_order=2),
    ],
    fees=[
        FeeTerms("service", "服务费", "ticket", "with_ticket", basis_points=250),
        FeeTerms("order", "订单费", "order", "when_cancelled", amount=300),
        FeeTerms("sales", "渠道费", "ticket", "with_ticket", amount=99, borne_by="organizer"),
    ],
    taxes=[TaxTerms("增值税", 600)],
)

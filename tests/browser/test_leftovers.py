"""What a choice leaves behind: a group that had to be split, and single seats that few will buy."""

from playwright.async_api import expect

from tests.browser.plans import PlannedSale
from tests.browser.storefront import HallOnScreen, Shop, Watch


async def pick(shop: Shop, *numbers: int, strict: bool = False) -> PlannedSale:
    """Picks these seats of row 2, seats 1 to 10, as somebody logged in."""
    await shop.register()
    sale = await PlannedSale(shop).open(strict=strict)
    await shop.open(f"/sessions/{sale.session_id}")
    hall = HallOnScreen(shop, sale.session_id)
    await hall.load()
    for number in numbers:
        await hall.click_seat(
            next(s for s in hall.seats if (s["row"], s["number"]) == ("2", number))
        )
    await expect(shop.page.locator(".basket-line")).to_have_count(len(numbers))
    return sale


async def test_who_leaves_a_seat_alone_reads_it_on_the_order(shop: Shop) -> None:
    await pick(shop, 2, 3)
    await shop.page.click(".panel-foot .button")
    await expect(shop.page.locator(".order-main .notice.mild")).to_contain_text("1 个单独的空座")
    await expect(shop.page.locator(".items li")).to_have_count(2)


async def test_where_that_is_refused_the_seat_is_named_and_marked_and_moving_helps(
    shop: Shop, watch: Watch
) -> None:
    watch.refusals_expected = True
    sale = await pick(shop, 2, 3, strict=True)
    page = shop.page
    await page.click(".panel-foot .button")
    await expect(shop.message).to_contain_text("会把 池座 2排1座 单独剩下")
    await expect(shop.message).to_contain_text("把它也选上")
    await expect(page.locator(".legend li.alone")).to_be_visible()
    await expect(page.locator(".basket-line")).to_have_count(2)  # nothing is lost by it
    hall = HallOnScreen(shop, sale.session_id)
    await hall.load()
    await hall.click_seat(next(s for s in hall.seats if (s["row"], s["number"]) == ("2", 1)))
    await expect(shop.message).to_have_count(0)
    await expect(page.locator(".legend li.alone")).to_be_hidden()
    await page.click(".panel-foot .button")
    await expect(page.locator(".items li")).to_have_count(3)


async def test_who_had_to_be_split_reads_it_before_paying(shop: Shop) -> None:
    await shop.register()
    sale = await PlannedSale(shop).open(most=10)
    await sale.take_all_but(("2", 3), ("4", 5))
    await shop.open(f"/sessions/{sale.session_id}")
    await shop.page.check('.option:has-text("池座") input', force=True)
    await shop.page.click(".panel-foot .button")
    await expect(shop.page.locator(".order-main .notice:visible")).to_contain_text(
        "您的座位被分开了"
    )
    await expect(shop.page.locator(".items li")).to_have_count(2)


async def test_a_picked_seat_that_somebody_takes_meanwhile_leaves_the_basket_and_is_named(
    shop: Shop,
) -> None:
    sale = await pick(shop, 4, 5)
    hall = HallOnScreen(shop, sale.session_id)
    await hall.load()
    taken = next(s for s in hall.seats if (s["row"], s["number"]) == ("2", 5))
    await sale.take([taken["seat_id"]])
    await expect(shop.message).to_contain_text("池座 2排5座")
    await expect(shop.page.locator(".basket-line")).to_have_count(1)
    await expect(shop.page.locator(".legend-mark.lost")).to_be_visible()

"""The demo's shows, as data. Times are days from now, so they are fresh whenever the demo is loaded."""

from collections.abc import Callable
from typing import Any

import msgspec

from runtime.demo import halls

OPEN_SINCE = -2.0  # days
MINUTE = 1 / 1440


class Venue(msgspec.Struct, frozen=True):
    name: str
    city: str
    address: str
    time_zone: str = "Asia/Shanghai"


class Run(msgspec.Struct, frozen=True):
    """A session. It starts `in_days` days from now, `at` this time at the venue. `opens` and `closes` bound
    its sale, in days from now (None: until it starts)."""

    in_days: int
    at: str = "19:30"
    opens: float = OPEN_SINCE
    closes: float | None = None


class DemoShow(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    category: str
    venue: Venue
    description: str
    hall: Callable[[], halls.DemoHall | halls.Gallery]
    runs: tuple[Run, ...]
    scale: int = 100  # per cent of the hall's usual prices
    per_user: int = 6
    prices: dict[str, Any] = {}  # categories, fees and taxes, as a session's body has them


STADIUM = Venue("上海体育场", "上海", "徐汇区天钥桥路666号")
GRAND_THEATRE = Venue("国家大剧院", "北京", "西城区西长安街2号")
CAPITAL = Venue("首都剧场", "北京", "东城区王府井大街22号")
OPERA_HOUSE = Venue("广州大剧院", "广州", "天河区珠江西路1号")
PHOENIX = Venue("凤凰山体育公园", "成都", "金牛区北星大道")
LAUGHS = Venue("蓉城喜剧工坊", "成都", "锦江区东大街")
WEST_LAKE = Venue("杭州大剧院", "杭州", "江干区新业路39号")
BAY = Venue("深圳湾体育中心", "深圳", "南山区滨海大道3001号")
SEA_WORLD = Venue("海上世界文化艺术中心", "深圳", "南山区望海路1187号")
QINTAI = Venue("琴台音乐厅", "武汉", "汉阳区知音大道")
MUSEUM = Venue("陕西历史博物馆秦汉馆", "西安", "西咸新区兰池大道")
BUND = Venue("外滩小剧场", "上海", "黄浦区中山东一路")

FAMILIES: dict[str, Any] = {
    "price_categories": [
        {"key": "adult", "name": "成人"},
        {"key": "student", "name": "学生", "percent": 70, "proof": "学生证"},
        {"key": "child", "name": "儿童", "percent": 50, "max_per_order": 4},
    ],
    "fees": [
        {"key": "service", "name": "服务费", "per": "ticket", "basis_points": 300},
        {"key": "order", "name": "订单处理费", "per": "order", "amount": 500},
    ],
    "taxes": [{"name": "增值税", "rate": 600}],
}

# The last show has a single session. Once the public can see it, the demo is complete.
SHOWS = (
    DemoShow(
        title="周杰伦 2026 世界巡回演唱会",
        category="演唱会",
        venue=STADIUM,
        description="嘉年华世界巡回演唱会上海站。二十余年经典曲目。\n"
        "Jay Chou Carnival World Tour 2026, Shanghai.",
        hall=halls.concert,
        runs=(
            Run(35),
            Run(36, opens=30 * MINUTE),
            Run(37, opens=7),
            Run(126, opens=30),
        ),
        per_user=4,
    ),
    DemoShow(
        title="雷雨",
        category="话剧",
        venue=CAPITAL,
        description="曹禺经典，人艺版。一个夏天午后，一个大家庭的崩塌。",
        hall=halls.theatre,
        runs=(Run(8), Run(9), Run(9, at="14:00")),
    ),
    DemoShow(
        title="茶馆",
        category="话剧",
        venue=GRAND_THEATRE,
        description="老舍名作：一座茶馆，三个时代，六十多个人物。",
        hall=halls.theatre,
        runs=(Run(21), Run(22)),
        scale=120,
    ),
    DemoShow(
        title="剧院魅影 The Phantom of the Opera",
        category="音乐剧",
        venue=OPERA_HOUSE,
        description="原版音乐剧，英语演出，中文字幕。Sung in English with Chinese surtitles.",
        hall=halls.theatre,
        runs=(Run(14), Run(15), Run(16, at="14:30"), Run(46, opens=10)),
        scale=150,
    ),
    DemoShow(
        title="城市足球德比：成都 对 上海",
        category="体育",
        venue=PHOENIX,
        description="年度德比，凤凰山主场。",
        hall=halls.match,
        runs=(Run(12, at="15:30"),),
        scale=40,
    ),
    DemoShow(
        title="篮球邀请赛 总决赛",
        category="体育",
        venue=BAY,
        description="三场两胜。本场售票已经结束。",
        hall=halls.arena,
        runs=(Run(2, opens=-20, closes=-1),),
    ),
    DemoShow(
        title="大唐长安：丝路文物特展",
        category="展览",
        venue=MUSEUM,
        description="两百余件馆藏，从金银器到壁画。凭当日票入场。",
        hall=halls.gallery,
        runs=tuple(Run(day, at="09:00") for day in (3, 4, 5, 10)),
    ),
    DemoShow(
        title="Water Lilies: an Immersive Monet",
        category="展览",
        venue=SEA_WORLD,
        description="Walk into the garden at Giverny. 莫奈睡莲沉浸式光影展。",
        hall=halls.gallery,
        runs=(Run(6, at="10:00"), Run(7, at="10:00")),
        scale=130,
    ),
    DemoShow(
        title="周末脱口秀专场",
        category="脱口秀",
        venue=LAUGHS,
        description="五位演员，九十分钟，一半是新段子。",
        hall=halls.club,
        runs=(Run(5, at="20:00"), Run(6, at="20:00")),
    ),
    DemoShow(
        title="Stand-up Night on the Bund",
        category="脱口秀",
        venue=BUND,
        description="English-language comedy, five comedians, one microphone.",
        hall=halls.club,
        runs=(Run(11, at="20:30"),),
        scale=110,
    ),
    DemoShow(
        title="新年音乐会：贝多芬第九交响曲",
        category="古典音乐",
        venue=WEST_LAKE,
        description="合唱交响曲，携手百人合唱团迎接新年。Beethoven, Symphony No. 9.",
        hall=halls.theatre,
        runs=(Run(40), Run(41, opens=5)),
        scale=140,
    ),
    DemoShow(
        title="梁祝 小提琴协奏曲专场",
        category="古典音乐",
        venue=QINTAI,
        description="《梁祝》与中国交响作品选。",
        hall=halls.theatre,
        runs=(Run(18),),
    ),
    DemoShow(
        title="小王子 亲子音乐剧",
        category="亲子",
        venue=QINTAI,
        description="写给大人和孩子的星球旅行，三岁以上入场。",
        hall=halls.theatre,
        runs=(Run(13, at="10:30"), Run(13, at="15:00")),
        scale=60,
        prices=FAMILIES,
    ),
    DemoShow(
        title="Jazz by the West Lake",
        category="爵士",
        venue=WEST_LAKE,
        description="A quartet from Hangzhou plays Ellington, Monk and songs of Jiangnan.",
        hall=halls.club,
        runs=(Run(25, at="20:00"),),
    ),
)

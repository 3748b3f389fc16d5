"""/wall: its own page and modules; everything else it imports is the storefront's, by its plain path."""

from pathlib import Path

import msgspec

from chassis.languages import FOLDER
from gateway.http.static import REVALIDATE, File, load_files, make_file
from gateway.pages.languages import read_words, spoken_languages, with_texts

WALL = Path(__file__).resolve().parents[2] / "web" / "wall"
PATH = "/wall"
MODULE = f"{PATH}/js/words.js"
WORDS = "wall"  # the folder within a language's


def wall_files(default_language: str) -> dict[str, File]:
    """Every file by its path, the page at /wall, and its words of all languages."""
    files = load_files(WALL, PATH)
    spoken = spoken_languages()
    page = with_texts((WALL / "index.html").read_text("utf-8"), spoken, default_language)
    files[PATH] = files[f"{PATH}/index.html"] = make_file(page.encode(), ".html", REVALIDATE)
    words = {code: read_words(FOLDER, code, WORDS) for code in spoken}
    module = b"// Made at the start from languages/.\nexport const WORDS = %s;\n" % (
        msgspec.json.encode(words)
    )
    files[MODULE] = make_file(module, ".js", REVALIDATE)
    return files

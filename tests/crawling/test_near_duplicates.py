"""Near and exact duplicates by 64-bit hashes, and soft 404s."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from parascrape.crawling.links.near_duplicates import (
    MAX_TEXT,
    NEAR,
    exact_hash,
    says_missing,
    simhash,
)

TEXTS = st.text(st.sampled_from("aAbé ,.\n1२ 日本ß_\ud800"), max_size=60)


def distance(a: int, b: int) -> int:
    """Return in how many bits two hashes differ."""
    return (a ^ b).bit_count()


def prose(seed: int, count: int) -> list[str]:
    """That many words, the same for the same seed."""
    chosen = random.Random(seed)
    return ["".join(chosen.choices("abcdefghijklmnop", k=chosen.randint(3, 9))) for _ in range(count)]


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_words_does_not_count(text: str, chosen: random.Random) -> None:
    """For either hash; case and punctuation do not count either."""
    words = text.split()
    chosen.shuffle(words)
    shuffled = " , ".join(words)
    assert simhash(shuffled) == simhash(text.lower())
    assert exact_hash(shuffled) == exact_hash(text.lower())


@given(TEXTS)
def test_hashes_are_64_bits_and_zero_only_without_words(text: str) -> None:
    """Zero means that there is no evidence."""
    assert 0 <= simhash(text) < 1 << 64
    assert 0 <= exact_hash(text) < 1 << 64
    assert bool(exact_hash(text)) is any(one.isalnum() for one in text)


def test_digits_count_for_the_exact_hash_only() -> None:
    """A text that differs in numbers, of any script, is near and not the same."""
    one, other = "Item 17 costs 3 euros, page2 ३", "Item 4 costs 12 euros, page ९"
    assert simhash(one) == simhash(other)
    assert exact_hash(one) != exact_hash(other)


def test_how_often_a_word_stands_counts_for_the_exact_hash_only() -> None:
    """The one hashes a set, the other a bag."""
    assert simhash("a b b") == simhash("b a")
    assert exact_hash("a b b") != exact_hash("b a")
    assert exact_hash("ab c") != exact_hash("a bc")


def test_the_more_words_differ_the_more_bits_do() -> None:
    """Two words of 500 are near, half of them are not, and strangers differ in about half of the bits."""
    mean = {}
    for changed in (0, 2, 250, 500):
        pairs = [(prose(seed, 500), prose(seed + 100, 500)) for seed in range(20)]
        apart = [
            distance(simhash(" ".join(one)), simhash(" ".join(other[:changed] + one[changed:])))
            for one, other in pairs
        ]
        mean[changed] = sum(apart) / len(apart)
    assert mean[0] == 0
    assert mean[2] <= NEAR
    assert 10 < mean[250] < 27 < mean[500] < 37


def test_scripts_without_spaces_are_compared_by_character() -> None:
    """One changed character of a Japanese page leaves most of the bits."""
    page = "東京都は新しい図書館の開館時間を来月から延長すると発表し利用者の声に応えた"
    assert distance(simhash(page), simhash(page.replace("来月", "今月"))) < 10
    assert exact_hash(page) != exact_hash(page.replace("来月", "今月"))


def test_hashes_are_the_same_in_every_process() -> None:
    """They are stored, and workers hash for the parent."""
    code = (
        "from parascrape.crawling.links.near_duplicates import *; "
        "print(simhash('Ein Kalender é'), exact_hash('a b 3'))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert shown.stdout.split() == [str(simhash("Ein Kalender é")), str(exact_hash("a b 3"))]
    assert simhash("a") == exact_hash("a") == 3405396810240292928


def test_long_texts_are_looked_at_in_part() -> None:
    """Of what lies beyond the first 100,000 characters the exact hash knows the length."""
    start = " ".join(prose(1, 20_000))[:MAX_TEXT]
    assert simhash(start + " more") == simhash(start)
    assert exact_hash(start + " more") == exact_hash(start + " last") != exact_hash(start)


MISSING = [
    "404", "Error 404", "404 Not Found", "404 - Example", "Example | 404", "HTTP 404", "Not Found",
    "Page not found – Example", "The page you are looking for does not exist", "Oh, this page can’t be found",
    "This product is no longer available", "Nothing found", "Seite nicht gefunden", "Page introuvable",
    "Cette page n’existe plus", "Página no encontrada", "Página não encontrada", "Pagina non trovata",
    "Pagina niet gevonden", "Nie znaleziono strony", "Страница не найдена", "Sayfa bulunamadı",
    "ページが見つかりません", "页面不存在", "페이지를 찾을 수 없습니다",
    "الصفحة غير موجودة", "Sidan hittades inte",
    "Stránka nenalezena", "Halaman tidak ditemukan", "Không tìm thấy trang", "Сторінку не знайдено",
]  # fmt: skip


@pytest.mark.parametrize("words", MISSING)
def test_soft_404s_are_recognized(words: str) -> None:
    """In the title or the first heading, in any case of letters."""
    assert says_missing(words, "", 500)
    assert says_missing("Example", words.upper() if words.isascii() else words, 500)


@pytest.mark.parametrize(
    "words",
    [
        *("", "Example", "Peugeot 404 - Wikipedia", "404 Main Street", "Item 404", "1404", "Found: a cat"),
        *(
            "Foundation",
            "How we found the page",
            "Area code 404",
            "Existing pages",
            "日本語のページ",
            "Item 4045",
        ),
    ],
)
def test_similar_phrases_are_not_soft_404s(words: str) -> None:
    """A number or a word of the phrase is not enough."""
    assert not says_missing(words, words, 500)


def test_a_long_page_is_not_a_soft_404() -> None:
    """An article about error pages; and only the start of a title is read."""
    assert not says_missing("404 Not Found", "Not Found", 30_000)
    assert not says_missing("a " * 10_000 + "not found", "", 500)


@pytest.mark.parametrize("part", ["error ", "errore", "404 ", "page you ", "- ", "错误", "http status "])
def test_long_titles_are_searched_in_linear_time(part: str) -> None:
    """A megabyte of any repeated text: a search that backtracks would exceed the time limit of tests."""
    assert not says_missing(part * (1_000_000 // len(part)) + "x", part * 10 + "x", 500)

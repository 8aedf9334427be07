"""Other people's text is shown, never obeyed."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len as rich_cell_len

from flujo_otel_cli.text import (
    _UNSAFE,
    both_ends,
    brief_name,
    cell_len,
    cut,
    cut_within,
    escape,
    wrapped,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("日本語 ✔ [bold]", "日本語 ✔ [bold]"),
        ("👩\u200d👧", "👩\u200d👧"),
    ],
)
def test_is_shown_as(text: str, shown: str) -> None:
    assert escape(text) == shown


JOINERS = "\u200c\u200d"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    left = {unicodedata.category(char) for char in escape(text) if char not in JOINERS}
    assert left & {"Cc", "Cs", "Zl", "Zp"} == set()


@given(st.text())
def test_width_is_what_rich_measures(text: str) -> None:
    assert cell_len(escape(text)) == rich_cell_len(escape(text))


@given(st.text(), st.integers(0, 40), st.sampled_from(["…", "..."]))
def test_what_is_cut_fits(text: str, width: int, ellipsis: str) -> None:
    assert cell_len(cut(escape(text), width, ellipsis)) <= width
    assert cell_len(cut_within(escape(text), width, ellipsis)) <= width


def test_what_fits_is_not_cut() -> None:
    assert cut("abc", 3, "…") == "abc"
    assert cut("abcd", 3, "…") == "ab…"
    assert cut("日本", 3, "…") == "日…"


@pytest.mark.parametrize(
    ("name", "width", "ellipsis", "shown"),
    [
        ("summarise_document_part_07", 20, "…", "summarise_doc…art_07"),
        ("summarise_document_part_07", 20, "...", "summarise_do...rt_07"),
        ("summarise_document_part_07", 26, "…", "summarise_document_part_07"),
        ("summarise_document_part_07", 8, "…", "summari…"),
        ("資料の要約・第一部・その七", 19, "…", "資料の要約・…その七"),
        ("資料の要約・第一部・その七", 13, "…", "資料の要…の七"),
        ("summarise 🎉🎉🎉🎉🎉🎉 7", 14, "…", "summarise…🎉 7"),
        ("to sum up" + "🎉" * 30 + "the text", 10, "…", "to sum…ext"),
        ("summa of" + "🎉" * 30 + "the text", 10, "…", "summa…ext"),
        ("cafe\u0301" * 5, 13, "…", "cafe\u0301cafe\u0301…cafe\u0301"),
        (
            ("e" + 5 * "\u0301") * 40,
            13,
            "…",
            8 * ("e" + 5 * "\u0301") + "…" + 4 * ("e" + 5 * "\u0301"),
        ),
    ],
)
def test_a_name_keeps_its_end(name: str, width: int, ellipsis: str, shown: str) -> None:
    assert cut_within(name, width, ellipsis) == shown
    assert cut_within(both_ends(name, width), width, ellipsis) == shown


@given(st.text(max_size=200), st.integers(10, 40))
def test_of_a_huge_name_enough_is_kept_to_cut_it(name: str, width: int) -> None:
    shown = cut_within(escape(name), width, "…")
    assert cut_within(both_ends(name, width), width, "…") == shown


def test_a_name_in_a_sentence_keeps_its_end() -> None:
    assert brief_name("a" * 60 + "b" * 20) == "a" * 60 + "b" * 20
    assert brief_name("a" * 60 + "b" * 60) == "a" * 54 + "..." + "b" * 26


def test_no_character_that_is_escaped_counts_as_printable() -> None:
    """What lets `escape` pass printable text on unread."""
    unsafe = [char for char in map(chr, range(0x110000)) if re.match(_UNSAFE, char)]
    assert [char for char in unsafe if char.isprintable()] == []


def test_blanks_end_with_their_line_however_many_there_are() -> None:
    assert ["a", "b"] == wrapped(f"a{' ' * 1_000_000}b", 60)
    assert ["a" + " " * 8 + "b"] == wrapped(f"a{' ' * 8}b", 10)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("text 漢字 🎉 " * 3, ["text 漢字 🎉 text 漢", "字 🎉 text 漢字 🎉"]),
        ("漢字漢字漢字漢字漢字漢字 in English", ["漢字漢字漢字漢字漢字", "漢字 in English"]),
        ('  "x": "漢 three words"', ['  "x": "漢 three', 'words"']),
        ("длинная строка 🎉 по-русски", ["длинная строка 🎉", "по-русски"]),
        ("漢" * 12 + " " + "e\u0301" * 12, ["漢" * 10, "漢漢 " + "e\u0301" * 12]),
    ],
)
def test_lines_with_wide_characters_are_filled(text: str, lines: list[str]) -> None:
    assert lines == wrapped(text, 20)


@given(st.text("ab 漢🎉é\u0301", max_size=200), st.integers(2, 30))
def test_what_is_wrapped_fits_and_is_all_there(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())

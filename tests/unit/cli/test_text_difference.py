"""Where two recorded texts differ."""

from flujo_otel_cli.comparison.text_difference import difference_lines


def test_short_texts_are_shown_as_they_are() -> None:
    assert [("-", "yes"), ("+", "no")] == list(difference_lines("yes", "no", 80))
    assert [("-", "yes"), ("+", "no")] == list(difference_lines('"yes"', '"no"', 80))


def test_of_a_long_line_the_part_around_the_first_difference_is_shown() -> None:
    base, other = (f"{'x' * 900}{end}" for end in ("old", "new"))
    for room, before in ((80, 21), (30, 7)):
        front = f"...{'x' * before}"
        assert [("-", f"{front}old"), ("+", f"{front}new")] == list(
            difference_lines(base, other, room)
        )


def test_what_takes_two_columns_does_not_push_the_difference_out_of_sight() -> None:
    (_, was), _ = difference_lines(f"{'出' * 50}1", f"{'出' * 50}2", 80)
    assert was == f"...{'出' * 10}1"


def test_of_json_the_members_that_differ_are_shown() -> None:
    found = list(difference_lines('{"a": 1, "b": [1, 2]}', '{"a": 1, "b": [1, 3]}', 80))
    assert ("-", "    2") in found and ("+", "    3") in found
    assert ("-", '  "a": 1,') not in found and ("+", '  "a": 1,') not in found


def test_of_many_lines_the_first_that_differ_are_shown_and_the_rest_is_counted() -> None:
    base, other = ("\n".join(f"{word} {n}" for n in range(5000)) for word in ("a", "b"))
    *shown, (sign, more) = difference_lines(base, other, 80)
    assert len(shown) == 12
    assert (sign, more) == (" ", "and 988 more lines")


def test_a_huge_text_is_compared_at_once() -> None:
    base, other = ("\n".join(f"{word}{n * 7919 % 1000}" for n in range(200_000)) for word in "ab")
    assert len(list(difference_lines(base, other, 80))) == 13

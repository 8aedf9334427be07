"""Each method of SQLiteBackend is on its page."""

from pathlib import Path

from flujo_otel.storage.sqlite import SQLiteBackend

PAGE = Path(__file__).parents[3] / "docs" / "storage.md"


def test_every_method_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    methods = [name for name in dir(SQLiteBackend) if not name.startswith("_")]
    assert "save_state" in methods
    assert [] == [name for name in methods if f"`{name}`" not in page and f"`{name}(" not in page]

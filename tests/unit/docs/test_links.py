"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
TEST = re.compile(r"`((?:unit|integration|conformance|e2e|property)/[\w/]+\.py)(?:::(\w+))?`")


def test_the_readme_is_among_the_pages() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_every_test_that_the_requirements_name_exists() -> None:
    named = TEST.findall((ROOT / "docs" / "requirements.md").read_text(encoding="utf-8"))
    assert named
    missing = [
        (file, name)
        for file, name in named
        if f"def {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8") and name
    ]
    assert [] == missing


def test_every_reason_of_the_ledger_is_documented() -> None:
    sources = [*ROOT.glob("exporter/**/*.py"), *ROOT.glob("flujo_otel/**/*")]
    text = "".join(p.read_text(encoding="utf-8") for p in sources if p.suffix in (".py", ".sql"))
    page = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    used = {reason for reason in documented if f'"{reason}"' in text or f"'{reason}'" in text}
    assert documented == used
    counted = set(re.findall(r'count\([^)]*?, "(\w+)"', text)) | set(
        re.findall(r'reason = "(\w+)"', text)
    )
    assert counted <= documented

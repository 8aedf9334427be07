"""Marks, colours and line drawing, with their stand-ins where there is no Unicode."""

from typing import NamedTuple

STYLES = {
    "completed": "green",
    "failed": "red",
    "running": "cyan",
    "paused": "yellow",
    "died": "magenta",
    "warning": "yellow",
}
"""Colour of each status."""


class Theme(NamedTuple):
    """One set of glyphs, each as wide as it is long."""

    marks: dict[str, str]
    unknown_mark: str
    tee: str
    elbow: str
    guide: str
    deeper: str
    ellipsis: str
    none: str
    dot: str
    arrow: str
    times: str
    micro: str
    spark: str
    blocks: str
    """Left-aligned parts of a cell, growing; the last is the whole."""
    right_half: str
    before: str
    after: str
    top: str
    side: str
    bottom: str

    def mark(self, status: str) -> str:
        return self.marks.get(status, self.unknown_mark)


UNICODE = Theme(
    marks={
        "completed": "✔",
        "failed": "✘",
        "running": "●",
        "died": "✝",
        "paused": "⏸",
        "warning": "!",
    },
    unknown_mark="?",
    tee="├─ ",
    elbow="└─ ",
    guide="│  ",
    deeper="┊",
    ellipsis="…",
    none="–",
    dot=" · ",
    arrow="→",
    times="×",
    micro="µ",
    spark=" ▁▂▃▄▅▆▇█",
    blocks="▏▎▍▌▋▊▉█",
    right_half="▐",
    before="◂",
    after="▸",
    top="╭─╮",
    side="│",
    bottom="╰─╯",
)

ASCII = Theme(
    marks={
        "completed": "ok",
        "failed": "!!",
        "running": "..",
        "died": "++",
        "paused": "||",
        "warning": " !",
    },
    unknown_mark="??",
    tee="|-- ",
    elbow="`-- ",
    guide="|   ",
    deeper=":",
    ellipsis="...",
    none="-",
    dot=" - ",
    arrow="->",
    times="x",
    micro="u",
    spark=" .:-=+*#@",
    blocks="#",
    right_half="#",
    before="<",
    after=">",
    top="+-+",
    side="|",
    bottom="+-+",
)

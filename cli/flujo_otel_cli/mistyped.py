"""What was probably meant by a command or an option that there is not."""

from collections.abc import Callable, Iterable
from typing import Any

from flujo_otel_cli.hint import hint
from flujo_otel_cli.nearest import did_you_mean

_OPTIONS = ("version", "help")
"""What other programs have as commands, and `lens` as options."""


def command_meant(word: str, commands: Iterable[str]) -> str:
    """What to say after that there is no command `word`."""
    if word in _OPTIONS:
        return f" Did you mean {hint(f'--{word}')}?"
    return did_you_mean(word, commands)


def option_meant(error: Any, commands: Iterable[str], command_of: Callable[[str], Any]) -> str:
    """What to say of an option that a command has not, but another has; "" where none has.

    `error`: click's NoSuchOption. `command_of`: the click command of a name.
    """
    option = error.option_name
    for name in commands:
        params = command_of(name).params
        found = next((each for each in params if option in each.opts), None)
        if found is None:
            continue
        run = ["RUN"] if any(each.metavar == "RUN" for each in params) else []
        value = "" if found.is_flag else f" {found.metavar or 'VALUE'}"
        typed = hint(name, *run, option) + value
        if error.ctx.parent is None:
            return f"{option} comes after the command, as in  {typed}"
        return f"{error.ctx.info_name} has no option {option}. There is  {typed}"
    return ""

"""The process of `lens`: what concerns all of it, around `command_line.call`."""

from flujo_otel_cli.ending import interrupted_as_usual, interrupted_at_once

interrupted_at_once()  # from here on: a command takes longer to import than most take to answer

import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

_ALLOCATIONS_PER_COLLECTION = 100_000
"""Imports and spans hold hardly any cycles: to look for some after 700, as Python does, took 13 of
the 175 ms of CPU of `lens trace`, and takes 5 % of the time of `lens serve`."""


def main() -> None:
    """The `lens` command."""
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)
    from flujo_otel_cli.command_line import call
    from flujo_otel_cli.problem import Exit
    from flujo_otel_cli.terminal import buffered, forget

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # as `lens list >&-` has it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    sys.stdout = buffered(sys.stdout)
    code: int = Exit.INTERRUPTED
    try:
        interrupted_as_usual()
        code = call(sys.argv[1:])
        interrupted_at_once()
    except KeyboardInterrupt:  # amid what `call` does before and after the command
        interrupted_at_once()
    try:
        sys.stdout.flush()
    except OSError:  # which was told already, and would be again by the interpreter
        forget(sys.stdout)
    # Else the interpreter looks through all that was imported for cycles: 10 ms of 110.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()

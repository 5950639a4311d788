"""A command that is chosen by a word, and imported only then: help must not wait for torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple, NoReturn

from tracker.cli import run


class Choice(NamedTuple):
    """A module whose `main()` takes its options from `sys.argv` and returns an exit code, and what it does."""

    module: str
    does: str


def choose(name: str, usage: str | None, choices: Mapping[str, Choice]) -> NoReturn:
    """Run the choice that the first argument names, with the rest as its own, and leave the process.

    Without an argument, or with ``-h`` or ``--help``, `usage` and the list of choices are shown.

    Args:
        name: of the command so far, as the user typed it.
        usage: what it is and examples.
    """
    word, *rest = sys.argv[1:] or ["--help"]
    if word in ("-h", "--help"):
        width = max(map(len, choices))
        lines = "\n".join(f"  {key:<{width}}  {choice.does}" for key, choice in choices.items())
        print(f"usage: {name} COMMAND ...\n\n{(usage or '').strip()}\n\n{lines}\n\n"
              f"{name} COMMAND --help shows the options of one, with examples.")
        sys.exit(0)
    if word not in choices:
        near = get_close_matches(word, choices, 1)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(choices)}"
        print(f"error: {name} {word}: no such command; {meant}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"{name} {word}", *rest]
    run(lambda: import_module(choices[word].module).main())
    raise AssertionError("run leaves the process")

"""`ringfence emulator`: a local Twilio; its options are those of `python -m ringfence.emulator`."""

import typer

from ringfence.emulator.process import main

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": list[str]()}
"""Typer's settings for a command that reads its own arguments."""


def emulator(context: typer.Context) -> None:
    """Run a local Twilio. `ringfence emulator --help` lists its options."""
    raise typer.Exit(main(context.args))

"""The command line as `python -m simkit.cli`."""

from simkit.cli import main

main()

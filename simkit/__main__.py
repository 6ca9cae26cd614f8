"""The console's entry, `simkit` and `python -m simkit`: Ctrl-C is quiet from the beginning on."""

import signal


def main() -> None:
    # What the command line imports takes tenths of a second, and holds nothing yet that is to be undone. Whoever
    # ignores the signal goes on ignoring it.
    is_taken = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_taken:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from simkit.cli import main as door

    if is_taken:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    door()


if __name__ == "__main__":
    main()

"""`cxr-predict`, from its first moment: a signal while the rest is imported is answered too."""

from trainable.commands.stop import stop_signals


def main() -> None:
    """Run the command."""
    stop_signals.listen()
    from analysis.command import app
    from trainable.commands.cli import run

    run(app)


if __name__ == "__main__":
    main()

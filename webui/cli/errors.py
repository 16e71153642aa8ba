"""What goes wrong on the command line, as one sentence."""

_OURS = ("ingest.", "webui.", "migrations.")


class CliError(Exception):
    """A command that cannot be carried out; the text says why and what would do, in one sentence."""


def sentence(error: BaseException) -> str:
    """Return an error as one line: its own words where it was meant for a reader, else what it is and how to see more."""
    text = " ".join(str(error).split())
    if type(error).__module__.startswith(_OURS) and text:
        return text
    if isinstance(error, OSError):
        named = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else text
        return named or type(error).__name__
    if type(error).__module__.startswith("sqlalchemy."):
        # The statement and its values are not for a terminal.
        return f"The store does not answer as it should ({type(error).__name__}); clew doctor looks for the reason."
    return f"Something unexpected went wrong ({type(error).__name__}); --debug shows where."

"""Proof of concept: does it pay on this table? Three experiments and a verdict."""

try:
    from skdae.poc._report import PoCReport
    from skdae.poc._run import run
except ModuleNotFoundError as error:
    if error.name != "pyarrow":
        raise
    raise ImportError(
        "The proof of concept needs pyarrow, which is not installed; install it with: "
        "pip install 'skdae[poc]'"
    ) from error

__all__ = ["PoCReport", "run"]

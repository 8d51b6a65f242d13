"""Optional packages that a command needs."""

from collections.abc import Iterable
from importlib.util import find_spec

from skdae._files import TableError


def check_packages(what: str, names: Iterable[str]) -> None:
    """Refuse to begin where a package is not installed."""
    lacking = [name for name in names if find_spec(name) is None]
    if lacking:
        raise TableError(
            f"{what} needs {' and '.join(lacking)}; install with: "
            f"pip install {' '.join(lacking)}"
        )

"""Coverage-guided fuzzing of the readers of tables and of model files, by atheris.

usage: python benchmarks/fuzz.py {tables,models} [-runs=100000] [-seed=1] ...

Options are those of libFuzzer. It ends with an error at the first content that is
neither read nor refused with the error that the reader promises, and says which.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["skdae"]):
    import skdae
    from skdae._files import TableError, read_table
    from skdae.persistence import ModelFileError

TABLES = (
    b"a,b\n1,2\n3,4\n",
    b'time;"x, y"\n01.02.2026 10:00;1,5\n;n/a\n',
    "\ufeffa\tb\r\n-3e9\tNaN\r\n".encode(),
    "a,b\n1,2\n".encode("utf-16"),
)
READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "tables": (read_table, TableError),
    "models": (skdae.load, ModelFileError),
}


def examples(kind: str) -> tuple[bytes, ...]:
    """Return contents that can be read, to begin with."""
    if kind == "tables":
        return TABLES
    with tempfile.NamedTemporaryFile() as file:
        dae = skdae.GradualDAETransformer((2,), max_iter=1, random_state=0)
        skdae.save(dae.fit([[0.0, 1.0], [1.0, 0.0]] * 10), file.name)
        return (Path(file.name).read_bytes(),)


def main() -> None:
    """Fuzz one of the readers."""
    kind, *options = sys.argv[1:]
    read, refusal = READERS[kind]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path, corpus = Path(folder, "content"), Path(folder, "corpus")
        corpus.mkdir()
        for number, content in enumerate(examples(kind)):
            (corpus / str(number)).write_bytes(content)

        def try_content(content: bytes) -> None:
            path.write_bytes(content)
            with suppress(refusal):
                read(path)

        atheris.Setup([sys.argv[0], *options, str(corpus)], try_content)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

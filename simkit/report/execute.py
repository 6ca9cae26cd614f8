"""A notebook is executed by papermill, which tells of each cell. Its import takes two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import papermill
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from simkit.errors import RunError, SimkitError

_ENGINE = "simkit"


class _Telling(NBClientEngine):  # type: ignore[misc]
    """papermill's own, which tells how many cells are done, of how many."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, told: Callable[[int, int], None], **named: Any
    ) -> Any:
        done, complete, of = count(1), nb_man.cell_complete, len(nb_man.nb.cells)

        def completed(*cell: Any, **index: Any) -> None:
            complete(*cell, **index)
            told(next(done), of)

        nb_man.cell_complete = completed
        told(0, of)
        return super().execute_managed_notebook(nb_man, kernel_name, **named)


papermill_engines.register(_ENGINE, _Telling)


def execute(source: Path, executed: Path, parameters: Mapping[str, Any], told: Callable[[int, int], None]) -> None:
    """Write the executed notebook. Raises RunError for a cell that fails, and where there is no kernel for it."""
    try:
        papermill.execute_notebook(
            str(source),
            str(executed),
            dict(parameters),
            kernel_name="python3",
            engine_name=_ENGINE,
            progress_bar=False,
            told=told,
            # What the kernel logs of itself, that it is interrupted at the end for one, is not the reader's.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except NoSuchKernel as error:
        raise RunError(f"{source}: there is no Python kernel to execute it; install ipykernel") from error
    except DeadKernelError as error:
        text = "the kernel that executed it died; it may have had too little memory, or a cell ended it"
        raise RunError(f"{source}: {text}") from error
    except PapermillExecutionError as error:
        # What simkit itself has to say reaches the reader as it is; a mistake in the notebook is told with its cell.
        ours = {c.__name__: c for c in _family(SimkitError)}.get(error.ename)
        if ours is not None:
            raise RunError(error.evalue, ours.status) from error
        raise RunError(f"{source}: cell {error.exec_count} failed: {error.ename}: {error.evalue}") from error


def _family(of: type[SimkitError]) -> Iterable[type[SimkitError]]:
    yield of
    for child in of.__subclasses__():
        yield from _family(child)

"""What a run is doing, as one line on stderr that disappears at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Step = Callable[[str], None]
"""Called with what is done next, such as `kid@features: value, 3 of 9`."""


def silent(_: str) -> None:
    """A `Step` that shows nothing."""


@contextmanager
def shown_steps(*, shown: bool) -> Iterator[Step]:
    """Show what is being done, with the seconds since the start, where stderr is a terminal.

    Args:
        shown: Whether anything is shown at all.

    Yields:
        The function to call with what is done next.

    Example:
        >>> with shown_steps(shown=False) as step:
        ...     step("recall@features: value, 1 of 2")
    """
    if not shown:
        yield silent
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=None)
        yield lambda text: progress.update(task, description=text, refresh=True)  # also steps of milliseconds

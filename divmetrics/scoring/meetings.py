"""Meetings of ranks: all come before they compute together, unless one of them was refused what it gave alone.

Between two collective calls a rank works alone, and may fail there: a batch with NaN that only it has. The others
would wait for it in their next call, or meet it in a call of the user's that it makes instead. So ranks announce their
coming, and a failure, in the store of the process group, which nobody has to answer.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic, sleep
from typing import Any, Self
from uuid import uuid4

from divmetrics.arrays import dist
from divmetrics.errors import Unavailable
from divmetrics.scoring.ranks import together

PAUSE_S = 0.005
"""Seconds between two looks into the store, at first; they grow tenfold."""


@dataclass
class Meetings:
    """The collective calls of one meter, which all ranks make in the same order; without ranks nothing happens."""

    distributed: bool
    name: str = ""
    """The same on all ranks, and of no other meter."""
    _calls: int = 0
    _children: int = 0

    @classmethod
    def agreed(cls, *, distributed: bool) -> Self:
        """Those of a new meter; every rank makes it at the same time."""
        return cls(distributed, dist.gather(uuid4().hex)[0])

    def of_another(self) -> Self:
        """Those of a meter like this one."""
        self._children += 1
        return type(self)(self.distributed, f"{self.name}.{self._children}")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What one rank does by itself; where it fails, all ranks raise the error in their next `together`."""
        with dist.collective() if self.distributed else nullcontext():
            try:
                yield
            except Exception as error:
                if (store := dist.store()) is not None and store.add(f"{self.name}/refusals", 1) == 1:
                    store.set(f"{self.name}/refusal", pickle.dumps(dist.sendable(error)))
                raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """As `ranks.together`, once all ranks have come.

        Raises:
            DivmetricsError: A rank was refused what it did alone; the same error on all ranks.
            Unavailable: A rank has not come within the timeout of the process group, or has ended.
        """
        if self.distributed and not dist.inside_all_or_none():
            with dist.collective():
                self._meet()
        with together(self.distributed):
            yield

    def _meet(self) -> None:
        if (store := dist.store()) is None:
            return
        rank, ranks = dist.world()
        self._calls += 1
        places = [f"{self.name}/{self._calls}/{other}" for other in range(ranks)]
        refused: Exception | None = None
        end, pause = monotonic() + _seconds(store), PAUSE_S
        try:
            store.set(places[rank], b"here")
            while (refused := self._refusal(store)) is None and not store.check(places):
                if monotonic() > end:
                    refused = _absent([other for other in range(ranks) if not store.check([places[other]])])
                    break
                sleep(pause)
                pause = min(10 * PAUSE_S, 1.5 * pause)
            refused = refused or self._refusal(store)
        except (RuntimeError, ConnectionError) as error:  # the rank that keeps the store is no more
            raise Unavailable(
                f"the process group of this distributed run is gone ({str(error).strip()[:80]}); start it anew."
            ) from error
        if refused is not None:
            raise refused

    def _refusal(self, store: Any) -> Exception | None:
        """The first error of a rank that worked alone."""
        if not store.check([f"{self.name}/refusals"]):
            return None
        found: Exception = pickle.loads(store.get(f"{self.name}/refusal"))  # noqa: S301  what `alone` has written
        return found


def _absent(ranks: list[int]) -> Unavailable:
    who = f"rank {ranks[0]} has" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))} have"
    return Unavailable(
        f"{who} not come to this call within the timeout of the process group; every rank has to make it, see its log."
    )


def _seconds(store: Any) -> float:
    timeout: timedelta = getattr(store, "timeout", timedelta(minutes=30))
    return timeout.total_seconds()

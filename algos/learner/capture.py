"""CUDA graphs: a round of sampling and update is recorded once and then replayed.

A round is some hundreds of small kernels whose launches cost more time than their arithmetic; a replay launches them
all at once, and the host only counts. Random streams belong to the graph, so a replayed round draws what an eager one
would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch

__all__ = ["WARMUP", "Rounds"]

# Rounds carried out one by one before recording: the first ones allocate what a graph must find in place, such as
# optimiser state and metric sums, and let libraries choose their kernels.
WARMUP = 3


class Rounds:
    """Carries out a learner's rounds: one by one, or by replaying the graph of one.

    `round_(turn)` must use the same memory every time and read nothing back; what it does on the host happens in eager
    rounds only. `turns` is the cycle that rounds go through; different turns (a delayed policy steps on some only) have
    graphs of their own. `generators` is the learner's own list of random streams.
    """

    def __init__(
        self,
        round_: Callable[[int], None],
        generators: list[torch.Generator],
        capture: bool,
        turns: Sequence[int] = (0,),
    ) -> None:
        self._round, self._generators, self.turns = round_, generators, turns
        self.capture = capture  # turned off where recording fails
        self._failure = ""  # why recording failed
        self._key: Hashable = None
        self._eager: dict[str | None, int] = {}  # rounds since the key changed, by kind
        self._graphs: dict[tuple[str | None, int], torch.cuda.CUDAGraph] = {}  # by kind and turn

    @property
    def captured(self) -> bool:
        """Whether rounds of every kind met so far are replayed, as long as the key stays."""
        return bool(self._graphs) and len(self._graphs) == len(set(self.turns)) * len(self._eager)

    def take_failure(self) -> str:
        """Why recording failed, in one line, told once; empty when it did not."""
        failure, self._failure = self._failure, ""
        return failure

    def run(self, first: int, rounds: int, key: Hashable, kind: str | None = None) -> None:
        """Carry out rounds `first`, `first + 1`, ...; a new `key` says that what was recorded no longer holds.

        Rounds of different `kind` do different things and have graphs of their own, which stay valid side by side.
        """
        if key != self._key:
            self._key, self._eager, self._graphs = key, {}, {}
        for number in range(first, first + rounds):
            turn = self.turns[number % len(self.turns)]
            eager = self._eager.setdefault(kind, 0)
            if self.capture and (kind, turn) not in self._graphs and eager >= WARMUP * len(self.turns):
                self._record(kind, turn)
            if (kind, turn) in self._graphs:
                self._graphs[kind, turn].replay()
            else:
                self._round(turn)
                self._eager[kind] += 1

    def _record(self, kind: str | None, turn: int) -> None:
        """Record one round without carrying it out; where that fails, rounds stay eager."""
        states = [g.get_state() for g in self._generators]
        try:
            graph = torch.cuda.CUDAGraph()
            for generator in self._generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph):
                self._round(turn)
        except RuntimeError as error:
            self.capture, self._graphs, self._failure = False, {}, str(error).partition("\n")[0]
            # a stream that was being recorded is of no more use; its successor draws what it would have drawn
            self._generators[:] = [
                torch.Generator(g.device).set_state(s) for g, s in zip(self._generators, states, strict=True)
            ]
            return
        self._graphs[kind, turn] = graph

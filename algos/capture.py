"""On CUDA, a round of sampling and update is recorded once as a graph and then replayed.

A round is some hundreds of small kernels whose launches cost more time than their arithmetic; a replay launches them
all at once, and the host only counts. Random streams belong to the graph, so a replayed round draws what an eager one
would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

__all__ = ["WARMUP", "Rounds"]

# Rounds carried out one by one before recording: the first ones allocate what a graph must find in place, such as
# optimiser state and metric sums, and let libraries choose their kernels.
WARMUP = 3


class Rounds:
    """Carries out a learner's rounds: one by one, or by replaying the graph of one.

    `round_` must use the same memory every time and read nothing back; what it does on the host happens in eager rounds
    only. `generators` is the learner's own list of random streams.
    """

    def __init__(self, round_: Callable[[], None], generators: list[torch.Generator], capture: bool) -> None:
        self._round, self._generators = round_, generators
        self.capture = capture  # turned off where recording fails
        self._failure = ""  # why
        self._key: Hashable = None
        self._eager = 0  # rounds since the key changed
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def captured(self) -> bool:
        """Whether the next round is a replay, as long as the key stays."""
        return self._graph is not None

    def take_failure(self) -> str:
        """Why recording failed, in one line, told once; empty when it did not."""
        failure, self._failure = self._failure, ""
        return failure

    def run(self, rounds: int, key: Hashable) -> None:
        """Carry out `rounds` rounds. A new `key` says that what a graph has recorded no longer holds."""
        if key != self._key:
            self._key, self._eager, self._graph = key, 0, None
        for _ in range(rounds):
            if self.capture and self._graph is None and self._eager >= WARMUP:
                self._record()
            if self._graph is not None:
                self._graph.replay()
            else:
                self._round()
                self._eager += 1

    def _record(self) -> None:
        """Record one round without carrying it out; where that fails, rounds stay eager."""
        states = [g.get_state() for g in self._generators]
        try:
            graph = torch.cuda.CUDAGraph()
            for generator in self._generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph):
                self._round()
        except RuntimeError as error:
            self.capture, self._failure = False, str(error).partition("\n")[0]
            # a stream that was being recorded is of no more use; its successor draws what it would have drawn
            self._generators[:] = [
                torch.Generator(g.device).set_state(s) for g, s in zip(self._generators, states, strict=True)
            ]
            return
        self._graph = graph

"""One rank of a training that a test starts by horovodrun: EXPORT_URL ROOT_URL OUT [STEP at which the second rank is killed]."""

import hashlib
import os
import signal
import sys
from pathlib import Path

import torch

from clickmill.models.ctr.training import Task, Training
from clickmill.models.packing import Batch
from clickmill.models.ranks import joined
from models.ctr.test_training import PARAMS


def main(export_url: str, root_url: str, out: str, kill_at: str = "") -> None:
    torch.set_num_threads(1)
    ranks, kept, taken = joined(), Training._step, [0]

    def step(self: Training, batch: Batch, epoch: int, number: int) -> float:
        taken[0] += 1
        if ranks.rank == 1 and str(taken[0]) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept(self, batch, epoch, number)

    Training._step = step  # type: ignore[method-assign]
    training = Training(Task(export_url, (Path(out) / "manifest.json").read_text(), root_url, ranks.count, PARAMS), ranks)
    outcome = training.run()
    state = repr([(name, one.tolist()) for name, one in sorted(training.optimiser.state().items())])
    (Path(out) / f"state-{ranks.rank}").write_text(hashlib.sha256(state.encode()).hexdigest())
    (Path(out) / f"losses-{ranks.rank}").write_text(" ".join(map(repr, outcome.losses)))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Are the cures of the zoo any good? Each is trained with five seeds, and so is its untreated twin.

    python benchmarks/cures.py                  # all cures; a run that was killed goes on
    python benchmarks/cures.py ring-8-gan-packed --seeds 2

One JSON line a training in results/cures.jsonl: entry, seed, the oracle's numbers.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from divmetrics.records.generator import ZOO, ZooModel
from divmetrics.zoo.models.checkpoints import Checkpoint

RESULTS = Path(__file__).parent / "results" / "cures.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="cures (all)")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    cures = [ZOO[name] for name in arguments.names] or [model for model in ZOO if model.untreated is not None]
    both = dict.fromkeys(name for model in cures for name in (str(model.untreated), model.name))
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    done = {(row["entry"], row["seed"]) for row in map(json.loads, lines)}
    for seed in range(arguments.seeds):
        for name in both:
            if (name, seed) not in done:
                line = json.dumps(trained(ZOO[name], seed))
                with RESULTS.open("a") as file:
                    file.write(line + "\n")
                print(line)


def trained(model: ZooModel, seed: int) -> dict:
    """One training: the bundled one where it is of this seed."""
    begin = time.process_time()
    path, seconds = model.checkpoint, None
    if path is None or Checkpoint.read(path, model.name).seed != seed:
        with tempfile.TemporaryDirectory() as folder:
            model.train(Path(folder), seed=seed, progress=False)
            found = Checkpoint.read(Path(folder) / f"{model.name}.safetensors", model.name)
        seconds = round(time.process_time() - begin, 1)
    else:
        found = Checkpoint.read(path, model.name)
    return {"entry": model.name, "seed": seed, "seconds": seconds, **found.oracle}


if __name__ == "__main__":
    main()

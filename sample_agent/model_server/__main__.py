"""``python -m sample_agent.model_server --port 0 --seed 7 --faults plan.json``: prints its address and serves until Ctrl-C."""

import argparse
import sys
from pathlib import Path

from .faults import load_faults
from .server import running_server


def main() -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m sample_agent.model_server", description="Offline stand-in for two model APIs.")
    parser.add_argument("--port", type=int, default=0, help="0 is any free port")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--faults", type=Path, help="a fault plan, see faults.py")
    options = parser.parse_args()
    try:
        faults = load_faults(options.faults) if options.faults else []
    except (OSError, ValueError) as error:
        print(f"cannot read the fault plan: {error}", file=sys.stderr)  # noqa: T201  # a command's own voice
        return 2
    with running_server(port=options.port, seed=options.seed, faults=faults) as server:
        print(server.url, flush=True)  # noqa: T201  # how the caller learns the port
        try:
            server.stopping.wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.fuzz``: changed files for every reader, for as long as one likes."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.campaign import Campaign
from tests.fuzz.worker import ALL_READERS

_PORTION = 500


def main() -> int:
    """Go round all readers until the time or the inputs are used up; 1 when something failed."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--inputs", type=int, default=sys.maxsize, help="Of all readers together.")
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("--reader", action="append", choices=list(ALL_READERS))
    asked = options.parse_args()
    campaign, end, at = Campaign(asked.seed), time.monotonic() + 60 * asked.minutes, 0
    readers = asked.reader or list(ALL_READERS)
    print(f"seed {asked.seed}")
    while time.monotonic() < end and campaign.counts.total() < asked.inputs:
        for name in readers:
            portion = max(1, _PORTION * ALL_READERS[name].inputs // 2000)
            for failure in campaign.run(name, at * portion, (at + 1) * portion):
                print(failure, flush=True)
            if time.monotonic() >= end or campaign.counts.total() >= asked.inputs:
                break
        at += 1
    campaign.close()
    print(", ".join(f"{count:,} {outcome}" for outcome, count in campaign.counts.most_common()))
    return int(bool(campaign.failures))


if __name__ == "__main__":
    sys.exit(main())

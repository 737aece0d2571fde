"""What the Python peers share: the clock, and the answers to `bench/peers/peer.ts`.

A request is a line of JSON on stdin, its answer a line of JSON on stdout. Between requests the process
waits for input, and the one who asks stops it altogether, so peers never disturb each other.
"""

import json
import os
import statistics
import sys
import time
import traceback

WARM_UP = 3
LEAST_RUNS = 5
# Enough to see a loss fall, few enough for steps of a third of a second.
STEPS_TO_CHECK = 10


def clock(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def prepare(make):
    """The first call, with whatever is traced and compiled in it, and the losses of the first steps."""
    step = make()
    start = time.perf_counter()
    first_loss = step()
    first = time.perf_counter() - start
    answer = {"first_s": round(first, 4)}
    if isinstance(first_loss, float):
        losses = [first_loss] + [step() for _ in range(STEPS_TO_CHECK - 1)]
        answer["losses"] = [round(x, 5) for x in losses]
    return step, answer


def measure(step, seconds):
    for _ in range(WARM_UP):
        step()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < LEAST_RUNS:
        times.append(clock(step))
    return {
        "median_us": round(statistics.median(times) * 1e6, 2),
        "min_us": round(min(times) * 1e6, 2),
        "runs": len(times),
    }


def serve(version, workloads):
    """Answers requests until the input ends. `workloads`: name to a function that makes a step.

    A step of training gives its loss, as a number.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers

    def say(answer):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    say({"version": version, "workloads": list(workloads)})
    step = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                step = None  # the former workload's memory goes first
                step, answer = prepare(workloads[request["workload"]])
            else:
                answer = measure(step, request["seconds"])
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0][:300]}
        say(answer)

"""Waiting for something to become true, never for time to pass.

Limits are for a machine that does nothing else. LEAT_PATIENCE=3: three times as long, where other tests run beside."""

import os
import time

POLL_S = 0.1
PATIENCE = float(os.environ.get("LEAT_PATIENCE", "1"))


class WaitedTooLong(AssertionError):
    pass


def until(predicate, seconds, what, poll_s=POLL_S):
    """The first true value of predicate(). `what` may be a function: it is asked when time is up."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise WaitedTooLong(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(poll_s)

"""Starts `ringfence work` again and again without importing everything again: that would be most of a crash test.

Reads one log file's path per line, forks, runs the command in the child with its output in that file, and prints the
child's process id. Nothing but imports has happened before the fork: no threads, no event loop, no connection.
"""

import os
import signal
import sys

from ringfence.cli.main import main


def run() -> None:
    # Children that end are forgotten at once, so that their ids say whether they live.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become_worker(line.strip())
        print(child, flush=True)


def _become_worker(log: str) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        sys.argv = ["ringfence", "work"]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    run()

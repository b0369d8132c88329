"""Runs a command, and ends it with everything that it started as soon as gridbell is gone.

    python3 guard.py FILE COMMAND [ARGUMENT ...]

FILE is removed when the command ends: it describes what then is gone. "-" stands for none.

Standard input is a pipe whose other end gridbell holds: its end of file means that gridbell has ended, however it
ended, `kill -9` included. The guard leads a process group of its own, so a Ctrl-C in the terminal reaches gridbell
alone, which then closes the pipe. Only the standard library is used, so that it runs before anything is installed.
"""

import os
import select
import signal
import subprocess
import sys
import time

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GRACE_SECONDS = 3.0


def adopt_orphans():
    """Linux hands a process whose parent has died to us, so that none escapes by forking twice."""
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        except (ImportError, OSError, AttributeError):
            pass  # The process group still holds what did not ask for a group of its own.


def processes():
    """Yields (pid, parent, group) of everything alive."""
    if os.path.isdir("/proc/self"):
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    state, parent, group = stat.read().rpartition(")")[2].split()[:3]
            except (OSError, ValueError):
                continue
            if state not in "ZX":
                yield int(entry), int(parent), int(group)
        return
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        pid, parent, group, state = line.split()[:4]
        if not state.startswith("Z"):
            yield int(pid), int(parent), int(group)


def started():
    """Everything below us, and whatever is left in our group."""
    own = os.getpid()
    table = list(processes())
    below = {own}
    grew = True
    while grew:
        more = {pid for pid, parent, _ in table if parent in below} - below
        below |= more
        grew = bool(more)
    return (below | {pid for pid, _, group in table if group == own}) - {own}


def end_all():
    """Asks everything to end, then makes it."""
    deadline = time.monotonic() + GRACE_SECONDS
    asked = set()
    while left := started():
        late = time.monotonic() > deadline
        for pid in left if late else left - asked:
            try:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            except ProcessLookupError:
                pass
        asked |= left
        time.sleep(0.02)


def main():
    file, *command = sys.argv[1:]
    adopt_orphans()
    waker, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (*ENDING, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
    while child.poll() is None:
        ready, _, _ = select.select([0, waker], [], [])
        if 0 in ready and not os.read(0, 64):
            break
        if waker in ready and any(number in ENDING for number in os.read(waker, 64)):
            break
    status = child.poll()
    if file != "-":
        try:
            os.remove(file)
        except OSError:
            pass  # It was not written yet, or gridbell has removed it.
    end_all()
    os._exit(143 if status is None else status if status >= 0 else 128 - status)


main()

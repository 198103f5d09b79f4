"""An engine that goes on running: what it says at /metrics, and how it is slowed down and stopped."""

import contextlib
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

from harness import wait

READY_S = 60


class Engine:
    """tidegauge-bench without an end, with an HTTP address of its own."""

    def __init__(self, bench, spec, workload, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.spec, self.bench = spec, bench
        self.env = bench.settings_of(spec, workload) | settings | {"UNTIL_END": "no", "HTTP_LISTEN": self.address}
        bench.create(self.env["OUT_TOPIC"])
        self.started = time.monotonic()
        self.process, self.log = bench.start(spec, self.env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()

    def get(self, path):
        """The status and the text; None while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return None, ""

    def assert_runs(self):
        # Not poll(), which would take the exit status from wait4.
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise SystemExit(f"{self.spec} has ended, see {self.log}")

    def wait_until(self, what, is_so, seconds):
        end = time.monotonic() + seconds
        while not is_so():
            self.assert_runs()
            if time.monotonic() > end:
                raise SystemExit(f"{self.spec}: not within {seconds} s: {what}; see {self.log}")
            time.sleep(0.2)

    def wait_ready(self):
        self.wait_until("/readyz says yes", lambda: self.get("/readyz")[0] == 200, READY_S)

    def metrics(self):
        return Metrics(self.get("/metrics")[1])

    def stop(self):
        """SIGTERM; returns (status, usage, seconds since the start)."""
        self.process.send_signal(signal.SIGTERM)
        status, usage = wait(self.process)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return status, usage, time.monotonic() - self.started


class Metrics:
    """A text of Prometheus."""

    def __init__(self, text):
        self.text = text

    def sum(self, name, **labels):
        """Over all series of that name which have these labels."""
        total = 0.0
        for braces, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", self.text, re.M):
            if all(f'{label}="{want}"' in braces for label, want in labels.items()):
                total += float(value)
        return total

    def buckets(self, name):
        """Counts up to each bound, in seconds; the last bound is infinite."""
        found = re.findall(rf'^{name}_bucket{{le="(\S+)"}} (\d+)$', self.text, re.M)
        return [(float("inf") if bound == "+Inf" else float(bound), int(count)) for bound, count in found]


def quantile(buckets, q):
    """By linear interpolation in its bucket, in seconds, as Prometheus does; None of nothing."""
    count = buckets[-1][1] if buckets else 0
    if not count:
        return None
    low, below = 0.0, 0
    for bound, through in buckets:
        if through >= q * count:
            return low if bound == float("inf") else low + (bound - low) * (q * count - below) / max(through - below, 1)
        low, below = bound, through


@contextlib.contextmanager
def throttled(pid, share):
    """Gives a process a share of one processor, as a CPU quota does: stopped while it has had more, looked at every
    5 ms."""
    over = threading.Event()
    clock = (~pid << 3) | 2  # the processor time of that process: clock_getcpuclockid(3), which Python does not have

    def turn():
        with contextlib.suppress(OSError):  # it has ended
            begin, before = time.monotonic(), time.clock_gettime(clock)
            while not over.is_set():
                has_had = time.clock_gettime(clock) - before
                is_due = has_had < share * (time.monotonic() - begin)
                os.kill(pid, signal.SIGCONT if is_due else signal.SIGSTOP)
                time.sleep(0.005)

    thread = threading.Thread(target=turn, daemon=True)
    if share < 1:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if share < 1:
            thread.join()
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)


def greatest_rate(bench, spec, workload, tenth):
    """Records per second of wall time over a topic that is full: those that only the whole run has, so that start-up
    is not in it."""
    whole, part = bench.measure(spec, workload), bench.measure(spec, tenth)
    for run in (whole, part):
        if not run["check"].startswith("OK"):
            raise SystemExit(f"{spec}: {run['check']}")
    return (whole["records"] - part["records"]) / max(whole["wall_s"] - part["wall_s"], 0.001)

"""What the recipes of bench/ share: a broker, filled topics, and engines that are run, measured and checked.

    with Bench(["tidegauge"], clean=False) as bench:
        bench.load(workload)
        run = bench.measure("tidegauge,JOBS=B", workload)
"""

import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent.parent
KAFKA = HERE.parent / "scripts" / "kafka"
CACHE = pathlib.Path(
    os.environ.get("BENCH_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tidegauge" / "bench"
).resolve()
FIGURES = ("wall_s", "cpu_s", "records_per_cpu_s", "peak_rss_mib")


@dataclass(frozen=True)
class Workload:
    """A topic of telemetry, as the generator makes it from these numbers."""

    records: int
    format: str = "avro"
    seed: int = 1
    instances: int = 0  # 0: RECORDS/500, at most 10,000
    agents: int = 0  # 0: a twentieth of the instances
    marker_s: int = 600  # how far beyond the end the record lies that closes all windows

    def settings(self):
        instances = self.instances or min(max(self.records // 500, 1), 10_000)
        agents = self.agents or max(instances // 20, 1)
        numbers = {
            "RECORDS": self.records,
            "SEED": self.seed,
            "INSTANCES": instances,
            "AGENTS": agents,
            "MARKER_AHEAD_S": self.marker_s,
        }
        topic = f"telemetry-{self.format}-{self.records}-{instances}-{agents}-{self.seed}-{self.marker_s}"
        return {"FORMAT": self.format, "TOPIC": topic} | {name: str(value) for name, value in numbers.items()}


class Bench:
    """The built programs and a broker that is there for as long as this is open."""

    def __init__(self, engines, clean=False, build=True):
        self.engines, self.clean, self.builds = engines, clean, build
        self.env = dict(os.environ, BENCH_CACHE=str(CACHE), DATA_DIR=str(CACHE / "kafka"))
        self.env.setdefault("PORT", "auto")
        self.tools = CACHE / "target" / "release"
        self.checker = [self.tools / "check"]
        self.was_up = True

    def __enter__(self):
        if self.builds:
            build(self.engines, self.env)
        self.was_up = call([KAFKA, "status"], self.env, check=False, stdout=subprocess.DEVNULL).returncode == 0
        try:
            answers = call([KAFKA, "up"], self.env, stdout=subprocess.PIPE, text=True).stdout
            self.env["BOOTSTRAP"] = re.search(r"^BOOTSTRAP=(.*)$", answers, re.M)[1]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.clean:
            call([KAFKA, "clean"], self.env)
        elif not self.was_up:
            call([KAFKA, "down"], self.env)

    def load(self, workload):
        call([self.tools / "load"], self.env | workload.settings())

    def create(self, *topics):
        call([self.tools / "load", "topic", *topics], self.env)

    def settings_of(self, spec, workload):
        """The environment of an engine: the recipe's, the workload's, the engine's own, those after the commas."""
        name, *settings = spec.split(",")
        env = self.env | workload.settings()
        env |= dict(setting.split("=", 1) for setting in own_settings(name) + settings)
        # Topics of the engine's own are called after this one: it must not be too long.
        env["OUT_TOPIC"] = re.sub("[^a-zA-Z0-9]+", "-", f"out-{spec}"[:80]) + f"-{time.time_ns()}"
        return env

    def start(self, spec, env):
        """Starts an engine; returns its process and the file of what it says."""
        log = CACHE / "logs" / (env["OUT_TOPIC"] + ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        run = HERE / "engines" / spec.split(",")[0] / "run"
        with log.open("w") as out:
            return subprocess.Popen([run], env=env, stdout=out, stderr=subprocess.STDOUT), log

    def measure(self, spec, workload):
        """One run over a topic that is loaded, with its verdict."""
        env = self.settings_of(spec, workload)
        self.create(env["OUT_TOPIC"])
        started = time.monotonic()
        process, log = self.start(spec, env)
        status, usage = wait(process)
        run = self.judged(spec, env, usage, time.monotonic() - started, status, log)
        print(json.dumps(publishable(run)), flush=True)
        return run

    def judged(self, spec, env, usage, wall, status, log):
        cpu, records = usage.ru_utime + usage.ru_stime, int(env["RECORDS"])
        is_floor = spec.split(",")[0] == "floor"
        run = {
            "engine": spec,
            "guarantee": "-" if is_floor else env.get("GUARANTEE", "at_least_once"),
            "records": records,
            "wall_s": wall,
            "cpu_s": cpu,
            "records_per_cpu_s": records / cpu,
            "peak_rss_mib": usage.ru_maxrss / 1024,
            "rows": None,
            "check": "OK",
        }
        if status != 0:
            run["check"] = f"FAIL exit status {os.waitstatus_to_exitcode(status)}, see {log}"
        elif is_floor:
            run["check"] = "- (reads all, writes nothing)"
        else:
            run |= self.verdict(env, log.read_text())
        return run

    def verdict(self, env, output):
        late = re.findall(r"^late=(\d+)$", output, re.M)
        if late:
            env = env | {"LATE": late[-1]}
        said = call(self.checker, env, check=False, stdout=subprocess.PIPE, text=True).stdout.strip()
        found = dict(re.findall(r"(\w+)=(\S+)", said))
        rows = sum(int(found.get(key, 0)) for key in ("rows_a", "rows_b", "extra", "duplicate"))
        if not said:
            said = "FAIL the checker printed no verdict"
        return {"rows": rows, "check": said if late else f"FAIL no late=N line; {said}"}


def call(command, env, check=True, **options):
    return subprocess.run([str(part) for part in command], env=env, check=check, **options)


def build(specs, env):
    manifest = HERE / "Cargo.toml"
    call(["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", CACHE / "target"], env)
    for name in dict.fromkeys(spec.split(",")[0] for spec in specs):
        script = HERE / "engines" / name / "build"
        if script.exists():
            call([script], env)


def own_settings(name):
    """What makes an engine of this name out of another one's program: NAME=VALUE lines."""
    file = HERE / "engines" / name / "settings"
    return file.read_text().split() if file.exists() else []


def wait(process):
    """wait4 for the figures of this process alone; an interrupt ends it before it ends us."""
    try:
        _, status, usage = os.wait4(process.pid, 0)
        return status, usage
    except BaseException:
        process.kill()
        process.wait()
        raise


def check_spec(parser, spec):
    """Ends with a usage error unless `spec` is ENGINE[,NAME=VALUE]... ."""
    known = sorted(run.parent.name for run in (HERE / "engines").glob("*/run"))
    name, *settings = spec.split(",")
    if name not in known:
        parser.error(f"no engine {name}; there are: {', '.join(known)}")
    for setting in settings:
        if "=" not in setting:
            parser.error(f"{spec}: {setting} is not NAME=VALUE")


def common_options(parser):
    parser.add_argument("--seed", type=int, default=1, help="equal seeds, equal bytes; default 1")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write the figures and the machine here, too")
    parser.add_argument("--clean", action="store_true", help="delete the broker's data at the end (kept by default)")
    parser.add_argument("--no-build", dest="build", action="store_false", help="take the programs as they were built last")
    return parser


def passed(run):
    return run["check"].startswith(("OK", "-"))


def publishable(run):
    """A figure of a run whose rows are wrong says nothing: it is not given."""
    return {key: (round(value, 2) if passed(run) else None) if key in FIGURES else value for key, value in run.items()}


def median(values):
    """The median; None if a value is missing, or there are none."""
    values = list(values)
    return None if not values or None in values else statistics.median(values)


def text(value, form):
    return "-" if value is None else format(value, form)


def table(head, rows):
    print("\n| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def verdict_on(value, op, limit):
    """`holds` or `FAILS`; `-` of nothing."""
    if value is None:
        return "-"
    return "holds" if (value >= limit if op == "≥" else value <= limit) else "FAILS"


def write_json(path, result):
    if path:
        path.write_text(json.dumps({"machine": machine()} | rounded(result), indent=2) + "\n")


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


def machine():
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": os.cpu_count(), "ram_gib": round(ram, 1), "cpu": cpu_model(), "os": platform.system()}


def cpu_model():
    try:
        return re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)[1]
    except (OSError, TypeError):
        return platform.machine()

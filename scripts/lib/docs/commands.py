"""Executes the commands of documentation pages; scripts/check-docs says what they may rely on."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# What only some sessions get, and is not a program to look for.
PROVIDED = {"broker", "running"}
# A session that has not ended by then hangs.
LONGEST_S = 240
# What pages write for what differs from reader to reader, where a deployment runs.
PLACEHOLDERS = {
    "WORKSPACE/AGENT": "default/agent-0",
    "--partition N": "--partition 0",
    "--offset OFFSET": "--offset 0",
    "--broker-id N": "--broker-id 1",
    " LOG": " tidegauge.log",
}


def binary() -> Path:
    """The built binary."""
    target = os.environ.get("CARGO_TARGET_DIR") or cache() / "target"
    path = Path(os.environ.get("TIDEGAUGE") or Path(target) / "release" / "tidegauge").resolve()
    if not os.access(path, os.X_OK):
        sys.exit(f"check-docs: no binary {path}: cargo build --release --workspace, or set TIDEGAUGE")
    return path


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidegauge"


def clean_environment() -> dict[str, str]:
    """The caller's, without its settings of tidegauge and of the broker."""
    ours = ("PORT", "NODES", "SECURE", "DATA_DIR", "BOOTSTRAP")
    return {k: v for k, v in os.environ.items() if not k.startswith("TIDEGAUGE") and k not in ours}


# --- parsed ----------------------------------------------------------------------------------------------------------


def parse_all(pages) -> list[str]:
    """Every command of tidegauge that a page names has to be one, with the options that it has."""
    wanted: dict[tuple[str, ...], str] = {}
    for page in pages:
        for line, text in page.commands:
            if words := words_of(text):
                wanted.setdefault(tuple(words), f"{page.name}:{line}")

    def problem(words: tuple[str, ...], where: str) -> str | None:
        asked = [binary(), *words[1:], "--help"]
        said = subprocess.run(asked, capture_output=True, text=True, env=clean_environment(), cwd="/", check=False)
        return None if said.returncode == 0 else f"{where}: {shlex.join(words)}: {said.stderr.strip().splitlines()[0]}"

    with ThreadPoolExecutor(2) as pool:
        problems = [found for found in pool.map(problem, wanted.keys(), wanted.values()) if found]
    print(f"{len(wanted)} commands of tidegauge parsed", flush=True)
    return problems


def words_of(text: str) -> list[str]:
    """The words of a command of tidegauge, up to what the shell makes of it; nothing if it is none."""
    text = re.sub(r"^(?:\w+=\S*\s+)*", "", text)
    text = re.split(r"\s#|\s*[|;&]|\s\d?[<>]", text)[0].strip().rstrip("…").strip()
    if not re.match(r"tidegauge \S", text):
        return []
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    # Where a page writes N, a number belongs.
    return ["1" if word == "N" else word for word in words]


# --- executed --------------------------------------------------------------------------------------------------------


def run_all(pages) -> list[str]:
    """Executes the blocks of the pages; what went wrong."""
    alone, together = [], []
    for page in pages:
        blocks = [(page.name, block) for block in page.blocks if block.name]
        if any("running" in block.needs for _, block in blocks):
            together += blocks
        elif blocks:
            alone.append((page.name, blocks))
    sessions = ([("the runbooks", together)] if together else []) + alone
    with ThreadPoolExecutor(2) as pool:
        return [problem for problem in pool.map(lambda session: run(*session), sessions) if problem]


def run(name: str, blocks: list) -> str | None:
    """Executes blocks in one session. What went wrong, if anything."""
    needs = {need for _, block in blocks for need in block.needs}
    if missing := sorted(need for need in needs - PROVIDED if not shutil.which(need)):
        print(f"SKIPPED: {name}: not installed: {', '.join(missing)}", flush=True)
        required = os.environ.get("TIDEGAUGE_REQUIRE_PARTS") == "1"
        return f"{name}: not installed: {', '.join(missing)}, and TIDEGAUGE_REQUIRE_PARTS is 1" if required else None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidegauge-docs-") as folder:
        kafka = {**clean_environment(), "DATA_DIR": f"{folder}/kafka"}
        try:
            address = start_broker(kafka) if needs & PROVIDED else ""
            status, said = execute(blocks, "running" in needs, Path(folder), address)
        except subprocess.CalledProcessError as error:
            return f"{name}: the broker did not start\n{error.stderr}"
        finally:
            if needs & PROVIDED:
                subprocess.run([ROOT / "scripts/kafka", "clean"], env=kafka, capture_output=True, check=False)
    if os.environ.get("VERBOSE"):
        print(said, flush=True)
    if status != 0:
        return f"{name}: exit status {status} in the last of these blocks\n{said}"
    print(f"{name}: {len(blocks)} blocks, {time.monotonic() - began:.1f} s", flush=True)
    return None


def start_broker(environment: dict[str, str]) -> str:
    up = subprocess.run(
        [ROOT / "scripts/kafka", "up", "--port", "auto"], env=environment, capture_output=True, text=True, check=True
    )
    return next(line.removeprefix("BOOTSTRAP=") for line in up.stdout.splitlines() if line.startswith("BOOTSTRAP="))


def execute(blocks: list, running: bool, folder: Path, address: str) -> tuple[int | str, str]:
    """One bash for all blocks; its exit status, and what it said."""
    checkout = folder / "tidegauge"
    checkout.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "target", "tidegauge.yaml"):
            (checkout / entry.name).symlink_to(entry)
    listen = f"127.0.0.1:{free_port()}"
    replaced = {"$HOME/.cache/tidegauge/target/release": str(binary().parent), "127.0.0.1:9464": listen}
    if address:
        replaced |= {"127.0.0.1:19092": address}
    if running:
        replaced |= {"HOST:PORT": listen, "BROKER ": f"{address} ", **PLACEHOLDERS}
    script = "set -eo pipefail\n"
    if running:
        script += f"listen={listen}\n" + (ROOT / "scripts/lib/docs/running.sh").read_text()
    for name, block in blocks:
        text = block.text
        for written, meant in replaced.items():
            text = text.replace(written, meant)
        script += f"printf '\\n== %s\\n' {shlex.quote(f'{name}:{block.line} {block.name}')}\n{text}\n"
    environment = clean_environment() | {"PATH": f"{binary().parent}{os.pathsep}{os.environ['PATH']}"}
    if address:
        environment["TIDEGAUGE__KAFKA__BOOTSTRAP"] = address
    with open(folder / "said", "w+", encoding="utf-8", errors="replace") as said:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=checkout, env=environment, stdin=subprocess.DEVNULL, stdout=said,
            stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            status: int | str = shell.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            status = f"none after {LONGEST_S} s"
        try:
            # What was left running is in its group, which is the session's own.
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        said.seek(0)
        return status, said.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]

#!/usr/bin/env python3
"""Sends the telemetry of a small fleet to tidegauge, as JSON.

    produce.py --bootstrap localhost:9092             # ten minutes of the past, then it ends
    produce.py --bootstrap localhost:9092 --live      # and goes on in real time, until Ctrl-C

Two agents with three instances each; in the last six minutes (and while live) `planner` has more work than it can do.

To copy: `sample()` says what a record looks like, `main()` how it is sent. Every field that there is stands in
schemas/telemetry-sample.avsc; all metrics are optional, and one that was not measured is left out, never 0.
"""

import argparse
import json
import random
import sys
import time
from datetime import datetime, timedelta, timezone

from confluent_kafka import KafkaException, Producer

INTERVAL = timedelta(seconds=10)
HISTORY = timedelta(minutes=10)
BUSY = timedelta(minutes=6)
WINDOW = timedelta(minutes=1)


def sample(agent: str, instance: str, at: datetime, load: float) -> dict:
    """What one instance measured at one moment. `load` is the share of its capacity that is asked of it."""
    cpu_cores = 2.0
    busy = min(load, 1.0)
    waiting = max(load - 0.8, 0.0)
    return {
        # When it was measured, never when it is sent: windows are cut by it. RFC 3339, or microseconds since 1970.
        "event_time": at.isoformat(),
        # Which service, and which copy of it. An instance keeps its id for as long as it lives.
        "agent_id": agent,
        "instance_id": instance,
        # starting, ready, draining, stopped or failed; only what is ready counts as capacity.
        "state": "ready",
        # Units are in the names: cores, bytes, ms, per second.
        "cpu_used_cores": round(cpu_cores * busy, 3),
        "cpu_requested_cores": cpu_cores,
        "requests_per_s": round(100 * load, 1),
        "queue_depth": round(200 * waiting),
        "response_time_ms": round(40 + 60 * busy + 4_000 * waiting**2, 1),
        # Counters are what happened since the sample before.
        "requests": round(100 * load * INTERVAL.total_seconds()),
        "server_errors": 0,
    }


def fleet(at: datetime, busy: bool, noise: random.Random) -> list[dict]:
    """A sample of every instance."""
    loads = {"planner": 0.95 if busy else 0.45, "coder": 0.5}
    return [
        sample(agent, f"{agent}-{number}", at, load + noise.uniform(-0.03, 0.03))
        for agent, load in loads.items()
        for number in range(3)
    ]


def main() -> int:
    options = arguments()
    failed = []
    producer = Producer(
        {
            "bootstrap.servers": options.bootstrap,
            # No record twice and none out of order, whatever is sent again.
            "enable.idempotence": True,
            "linger.ms": 20,
            **dict(setting.split("=", 1) for setting in options.X),
        }
    )

    def send(samples: list[dict]) -> None:
        for row in samples:
            # Any key will do. With the instance's id its samples stay in one partition, and so in order.
            producer.produce(
                options.topic,
                key=row["instance_id"],
                value=json.dumps(row),
                on_delivery=lambda error, _message: failed.append(error) if error else None,
            )
        producer.poll(0)

    noise = random.Random(1)
    # Unless it goes on, it ends so far in the past that the last windows are over.
    end = datetime.now(timezone.utc) - (timedelta() if options.live else WINDOW)
    sent = 0
    at = end - HISTORY
    while at <= end:
        rows = fleet(at, end - at < BUSY, noise)
        send(rows)
        sent += len(rows)
        at += INTERVAL
    try:
        while options.live:
            time.sleep(INTERVAL.total_seconds())
            rows = fleet(datetime.now(timezone.utc), True, noise)
            send(rows)
            sent += len(rows)
            print(f"{sent} samples", end="\r", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pass
    # Sending is asynchronous: what is not flushed may be lost with the process.
    unsent = producer.flush(30)
    if failed or unsent:
        reason = failed[0].str() if failed else "the broker does not answer"
        print(f"{len(failed) + unsent} of {sent} samples were not stored: {reason}", file=sys.stderr)
        return 1
    print(f"sent {sent} samples to {options.topic}")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="localhost:9092", help="brokers to ask first [%(default)s]")
    parser.add_argument("--topic", default="agents.telemetry.v1", help="where telemetry goes [%(default)s]")
    parser.add_argument("--live", action="store_true", help="go on in real time until Ctrl-C")
    parser.add_argument(
        "-X", action="append", default=[], metavar="NAME=VALUE", help="a setting of librdkafka, such as TLS; may be repeated"
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KafkaException as error:
        sys.exit(f"produce.py: {error.args[0].str()}")

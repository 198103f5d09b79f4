#!/usr/bin/env python3
"""Reads tidegauge's decisions and carries out those that are to be carried out. Carrying out, here, is a line of text.

    consume_decisions.py --bootstrap localhost:9092                # until Ctrl-C
    consume_decisions.py --bootstrap localhost:9092 --until-end    # what there is now

A decision says how many instances there should be, absolutely: to carry out the same one twice does no harm. To carry
out an old one does, so four rules come before it; `Fence` has them:

- only mode `live`: `shadow` decisions are there to be compared, and an unknown mode or action is of a newer version;
- never one whose generation is not above the last one carried out for its target;
- not before `not_before`;
- not from `expires_at` on: the fleet it was made for is gone. What still holds is said again in time.

To copy: `Fence`, `decode()` and the settings of the consumer. `carry_out()` is yours to write.
"""

import argparse
import io
import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import fastavro
import fastavro.schema
from confluent_kafka import Consumer, KafkaError, KafkaException, Message

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "decision.avsc"
TIMES = ("window_start", "window_end", "decided_at", "first_decided_at", "not_before", "expires_at")


class Decoder:
    """Bytes to a decision: Avro in single-object encoding, or JSON where `output.format` is `json`."""

    def __init__(self, schema_file: Path):
        schema = json.loads(schema_file.read_text())
        self.schema = fastavro.parse_schema(schema)
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        # tidegauge 0.1 leaves a type with a logical type an object when it computes the fingerprint: accept both.
        as_written = canonical
        for field in TIMES:
            as_written = as_written.replace(f'"name":"{field}","type":"long"', f'"name":"{field}","type":{{"type":"long"}}')
        self.fingerprints = [
            bytes.fromhex(fastavro.schema.fingerprint(form, "CRC-64-AVRO")) for form in (canonical, as_written)
        ]

    def decode(self, value: bytes) -> dict:
        if value.startswith(b"{"):
            decision = json.loads(value)
            for field in TIMES:
                decision[field] = datetime.fromisoformat(decision[field].replace("Z", "+00:00"))
            return decision
        # C3 01, then the fingerprint of the schema that it was written with, then the datum.
        marker, fingerprint, datum = value[:2], value[2:10], value[10:]
        if marker != b"\xc3\x01":
            raise ValueError("is neither Avro in single-object encoding nor JSON")
        if fingerprint not in self.fingerprints:
            raise ValueError(f"was written with another schema, of fingerprint {fingerprint.hex()}: get its .avsc")
        return fastavro.schemaless_reader(io.BytesIO(datum), self.schema, None)


class Fence:
    """Which decisions may be carried out. Remembers the generation that each target has come to.

    An actuator that restarts must not forget it: keep it with what is scaled (in Kubernetes an annotation of the
    Deployment), written in the same step. Then two actuators by mistake do no harm either.
    """

    def __init__(self) -> None:
        self.generations: dict[tuple, int] = {}

    def refusal(self, decision: dict, now: datetime) -> str | None:
        """Why it must not be carried out; None if it may."""
        if decision["mode"] != "live" or decision["action"] == "unknown":
            return f"mode {decision['mode']}, action {decision['action']}"
        known = self.generations.get(target(decision), 0)
        if decision["generation"] <= known:
            return "nothing new" if decision["generation"] == known else f"older than generation {known}"
        if now >= decision["expires_at"]:
            return f"expired at {decision['expires_at']:%H:%M:%S}"
        return None

    def carried_out(self, decision: dict) -> None:
        self.generations[target(decision)] = decision["generation"]


def target(decision: dict) -> tuple:
    """What a decision is about."""
    return decision["workspace_id"], decision["agent_id"], decision["region"]


def carry_out(decision: dict) -> None:
    """Here an actuator sets the number of instances to `desired_instances`."""
    print(f"  -> {decision['agent_id']} shall have {decision['desired_instances']} instances")


def show(decision: dict, refused: str | None) -> None:
    print(
        f"{decision['decided_at']:%H:%M:%S} {decision['workspace_id']}/{decision['agent_id']}"
        f" {decision['action']} {decision['current_instances']} -> {decision['desired_instances']}"
        f" (generation {decision['generation']}, {', '.join(decision['reasons'])}): {decision['explanation']}"
        + (f" [not carried out: {refused}]" if refused else ""),
        flush=True,
    )


def main() -> int:
    options = arguments()
    decoder, fence = Decoder(options.schema), Fence()
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.group,
            # Without it, decisions of transactions that were aborted are read too.
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            # A position is committed when its decision was dealt with, not before.
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            **dict(setting.split("=", 1) for setting in options.X),
        }
    )
    assigned: set[int] = set()
    ended: set[int] = set()
    consumer.subscribe(
        [options.topic],
        on_assign=lambda _consumer, partitions: assigned.update(p.partition for p in partitions),
        on_revoke=lambda _consumer, partitions: assigned.difference_update(p.partition for p in partitions),
    )
    try:
        while not (options.until_end and assigned and ended >= assigned):
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error() is None:
                take(message, decoder, fence)
                consumer.commit(message=message, asynchronous=False)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                # What librdkafka tries again by itself does not come here: this topic or this user is wrong.
                raise KafkaException(message.error())
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()
    return 0


def take(message: Message, decoder: Decoder, fence: Fence) -> None:
    try:
        decision = decoder.decode(message.value())
    except ValueError as error:
        sys.exit(f"{message.topic()} [{message.partition()}] offset {message.offset()} {error}")
    # Usually it is past already: a window closes some seconds after its end.
    time.sleep(max(0.0, (decision["not_before"] - datetime.now(timezone.utc)).total_seconds()))
    refused = fence.refusal(decision, datetime.now(timezone.utc))
    show(decision, refused)
    if refused is None:
        carry_out(decision)
        fence.carried_out(decision)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="localhost:9092", help="brokers to ask first [%(default)s]")
    parser.add_argument("--topic", default="tidegauge.decisions.v1", help="where decisions are [%(default)s]")
    parser.add_argument("--group", default="decisions-in-python", help="consumer group [%(default)s]")
    parser.add_argument("--schema", type=Path, default=SCHEMA, help="schema of decisions, for Avro [%(default)s]")
    parser.add_argument("--until-end", action="store_true", help="stop at the present end of the topic")
    parser.add_argument(
        "-X", action="append", default=[], metavar="NAME=VALUE", help="a setting of librdkafka, such as TLS; may be repeated"
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KafkaException as error:
        sys.exit(f"consume_decisions.py: {error.args[0].str()}")

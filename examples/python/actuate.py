#!/usr/bin/env python3
"""An actuator of one's own: carries decisions out, and says what came of each on the topic of scaling events.

    actuate.py --bootstrap localhost:9092                # until Ctrl-C
    actuate.py --bootstrap localhost:9092 --until-end    # what there is now

`set_instances()` is yours to write. The contract is in docs/howto-actuators.md.
"""

import argparse
import json
from datetime import datetime, timezone

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from consume_decisions import SCHEMA, Decoder, Fence

ME = "example"


def set_instances(decision: dict) -> None:
    """Here the fleet is changed; keep the generation beside it, written in the same step."""
    print(f"{decision['agent_id']} shall have {decision['desired_instances']} instances", flush=True)


def applied(decision: dict, began: datetime) -> bytes:
    """The scaling event of a decision that was carried out."""
    now = datetime.now(timezone.utc).isoformat()
    event = {
        "scaling_event_id": f"{decision['id']}/{ME}",
        "decision_id": decision["id"],
        "generation": decision["generation"],
        "workspace_id": decision["workspace_id"],
        "agent_id": decision["agent_id"],
        "region": decision["region"],
        "trigger_type": "decision",
        "action": "scale_down" if decision["desired_instances"] < decision["current_instances"] else "scale_up",
        "instances_before": decision["current_instances"],
        "instances_after": decision["desired_instances"],
        "state": "applied",
        "state_at": now,
        "accepted_at": began.isoformat(),
        "started_at": began.isoformat(),
        "completed_at": now,
        "success": True,
        "actuator": ME,
    }
    return json.dumps(event).encode()


def main() -> None:
    options = arguments()
    decoder, fence = Decoder(SCHEMA), Fence()
    producer = Producer({"bootstrap.servers": options.bootstrap, "enable.idempotence": True})
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.group,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    assigned, ended = set(), set()
    consumer.subscribe([options.topic], on_assign=lambda _, partitions: assigned.update(p.partition for p in partitions))
    while not (options.until_end and assigned and ended >= assigned):
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise KafkaException(message.error())
            ended.add(message.partition())
            continue
        decision, began = decoder.decode(message.value()), datetime.now(timezone.utc)
        if fence.refusal(decision, began) is None and decision["not_before"] <= began:
            set_instances(decision)
            fence.carried_out(decision)
            producer.produce(options.events, applied(decision, began), message.key())
            producer.flush()
        consumer.commit(message=message, asynchronous=False)
    consumer.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="localhost:9092", help="brokers to ask first")
    parser.add_argument("--topic", default="tidegauge.decisions.v1", help="the decisions")
    parser.add_argument("--events", default="agents.scaling-events.v1", help="what came of them")
    parser.add_argument("--group", default="example-actuator", help="consumer group")
    parser.add_argument("--until-end", action="store_true", help="stop at the end of the topic")
    return parser.parse_args()


if __name__ == "__main__":
    main()

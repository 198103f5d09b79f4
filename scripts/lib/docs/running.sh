# shellcheck shell=bash
# What the commands of the runbooks are tried on: a deployment that runs, with a fleet, bad records and late samples.
# Read by scripts/check-docs before the blocks that need `running`; $listen is the address to answer at.

# Kafka's own tools, under the names that they have in its distribution.
kafka-console-consumer.sh() { scripts/kafka cli org.apache.kafka.tools.consumer.ConsoleConsumer "$@"; }
kafka-consumer-groups.sh() { scripts/kafka cli org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@"; }
kafka-transactions.sh() { scripts/kafka cli org.apache.kafka.tools.TransactionsCommand "$@"; }
kafka-configs.sh() { scripts/kafka cli kafka.admin.ConfigCommand "$@"; }

mkdir policies
cp examples/policies/balanced.yaml policies/
tidegauge topics ensure --telemetry-partitions 4 2>ensure.log
tidegauge generate telemetry --seconds 1200 >fleet.jsonl
tidegauge produce --jsonl fleet.jsonl --shift 2>produce.log
tidegauge run --policy policies/ --set "http.listen=${listen:?}" 2>tidegauge.log &
until curl --silent --fail --output /dev/null "http://$listen/readyz"; do sleep 0.2; done
# A fleet of long ago: late for all windows. And what is no sample at all.
tidegauge generate telemetry --agents 1 --instances 1 --seconds 600 | tidegauge produce --jsonl - 2>>produce.log
no_record() { # topic
  echo 'neither a sample nor a record of the journal' |
    scripts/kafka cli org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$TIDEGAUGE__KAFKA__BOOTSTRAP" --topic "$1"
}
no_record agents.telemetry.v1
no_record tidegauge.shuffle.v1
until tidegauge tail dead-letters --from beginning 2>/dev/null | grep -q malformed; do sleep 0.2; done
until grep -q 'not a journal record' tidegauge.log; do sleep 0.2; done

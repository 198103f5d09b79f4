# shellcheck shell=bash
# What the commands of the runbooks are tried on: a deployment that runs, with a fleet, a bad record and a late sample.
# Read by scripts/check-docs before the blocks that need `running`; $listen is the address to answer at.

# Kafka's own tools, under the names that they have in its distribution.
kafka-console-consumer.sh() { scripts/kafka cli org.apache.kafka.tools.consumer.ConsoleConsumer "$@"; }
kafka-consumer-groups.sh() { scripts/kafka cli org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@"; }
kafka-transactions.sh() { scripts/kafka cli org.apache.kafka.tools.TransactionsCommand "$@"; }
kafka-configs.sh() { scripts/kafka cli kafka.admin.ConfigCommand "$@"; }

mkdir policies
cp examples/policies/balanced.yaml policies/
tidegauge topics ensure --telemetry-partitions 4 2>ensure.log
tidegauge generate telemetry --seconds 1200 | tidegauge produce --jsonl - --shift 2>produce.log
tidegauge run --policy policies/ --set "http.listen=${listen:?}" 2>tidegauge.log &
until curl --silent --fail --output /dev/null "http://$listen/readyz"; do sleep 0.2; done
# The first minute of a fleet of years ago: late for all windows. And what is no sample at all.
tidegauge generate telemetry --agents 1 --instances 1 --seconds 60 | tidegauge produce --jsonl - 2>>produce.log
head -c 100 examples/policies/balanced.yaml | tr '\n' ' ' |
  scripts/kafka cli org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$TIDEGAUGE__KAFKA__BOOTSTRAP" \
    --topic agents.telemetry.v1
for _ in $(seq 100); do
  [ -z "$(tidegauge tail dead-letters 2>/dev/null)" ] || break
  sleep 0.2
done

package io.tidegauge.bench;

import static io.tidegauge.bench.Telemetry.AGENT_SLIDE_MS;
import static io.tidegauge.bench.Telemetry.AGENT_WINDOW_MS;
import static io.tidegauge.bench.Telemetry.INSTANCE_WINDOW_MS;
import static io.tidegauge.bench.Telemetry.LATENESS_MS;
import static io.tidegauge.bench.Telemetry.MARKER;
import static io.tidegauge.bench.Telemetry.PARTITIONS;
import static io.tidegauge.bench.Telemetry.env;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.tidegauge.bench.Telemetry.AgentStats;
import io.tidegauge.bench.Telemetry.InstanceStats;
import io.tidegauge.bench.Telemetry.LateRule;
import io.tidegauge.bench.Telemetry.Sample;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The job in Kafka Streams. A is the DSL's windowed aggregation. B is the DSL's hopping windows behind a repartition
 * topic (VARIANT=dsl), or 10 s panes per partition, merged per agent (VARIANT=panes).
 */
public final class StreamsEngine {
  private static final String TOPIC = env("TOPIC", "telemetry");
  private static final String OUT = env("OUT_TOPIC", "out");
  private static final String BOOTSTRAP = env("BOOTSTRAP", "127.0.0.1:19092");
  private static final long RECORDS = Long.parseLong(env("RECORDS", "5000000"));
  private static final String JOBS = env("JOBS", "AB");
  private static final boolean PANES = env("VARIANT", "panes").equals("panes");
  private static final String GUARANTEE = env("GUARANTEE", "at_least_once");
  private static final boolean LOGGED = !GUARANTEE.equals("none");
  private static final String APP = env("APPLICATION_ID", "bench-" + OUT);

  /** Closed windows stay in the stores across the end markers' jump of event time. */
  private static final Duration RETENTION = Duration.ofHours(2);

  private static final Serde<String> STRING = Serdes.String();
  private static final Serde<Sample> SAMPLE = serde(s -> { throw new IllegalStateException(); },
      bytes -> new Sample().decode(bytes));
  private static final Serde<InstanceStats> INSTANCE = serde(InstanceStats::encode, InstanceStats::decode);
  private static final Serde<AgentStats> AGENT = serde(AgentStats::encode, AgentStats::decode);

  private static final AtomicLong SEEN = new AtomicLong();
  private static final AtomicLong AGENT_SEEN = new AtomicLong();
  private static final CountDownLatch SOURCES_DONE = new CountDownLatch(PARTITIONS);
  private static final CountDownLatch AGENTS_DONE = new CountDownLatch(PARTITIONS);

  public static void main(String[] args) throws Exception {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, Sample> samples = builder
        .stream(TOPIC, Consumed.with(STRING, SAMPLE).withTimestampExtractor((r, t) -> ((Sample) r.value()).ts))
        .processValues(DropLate::new);
    if (JOBS.contains("A")) {
      perInstance(samples);
    }
    if (JOBS.contains("B") && PANES) {
      perAgentPanes(builder, samples);
    } else if (JOBS.contains("B")) {
      perAgent(samples);
    }

    KafkaStreams streams = new KafkaStreams(builder.build(), config());
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
      return null;
    });
    streams.start();
    SOURCES_DONE.await();
    if (JOBS.contains("B")) {
      if (!PANES) {
        while (AGENT_SEEN.get() < SEEN.get()) {
          Thread.sleep(50);
        }
        closeAgentWindows();
      }
      AGENTS_DONE.await();
    }
    streams.close();
    System.out.println("late=" + LateRule.LATE.sum());
  }

  private static Properties config() throws Exception {
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, APP);
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, BOOTSTRAP);
    p.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("bench-streams-").toString());
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 5000);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 512L << 20);
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        GUARANTEE.equals("exactly_once") ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    p.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, env("STORE", "memory").equals("rocksdb")
        ? BuiltInDslStoreSuppliers.RocksDBDslStoreSuppliers.class
        : BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
    // Closed windows leave when event time says so, not at most once a second.
    p.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5000);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
    return p;
  }

  /** Drops and counts late samples; each task reads one partition. */
  private static final class DropLate extends ContextualFixedKeyProcessor<String, Sample, Sample> {
    private final LateRule rule = new LateRule();

    @Override
    public void process(FixedKeyRecord<String, Sample> record) {
      if (record.value().isMarker()) {
        context().forward(record);
        SOURCES_DONE.countDown();
      } else if (!rule.isLate(context().taskId().partition(), record.value().ts)) {
        SEEN.incrementAndGet();
        context().forward(record);
      }
    }
  }

  private static <V> Materialized<String, V, WindowStore<Bytes, byte[]>> windows(String name, Serde<V> serde) {
    Materialized<String, V, WindowStore<Bytes, byte[]>> m =
        Materialized.<String, V, WindowStore<Bytes, byte[]>>as(name).withKeySerde(STRING).withValueSerde(serde);
    m.withRetention(RETENTION).withCachingEnabled();
    return LOGGED ? m.withLoggingEnabled(Map.of()) : m.withLoggingDisabled();
  }

  private static void perInstance(KStream<String, Sample> samples) {
    samples.groupByKey(Grouped.with(STRING, SAMPLE))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(INSTANCE_WINDOW_MS), Duration.ofMillis(LATENESS_MS)))
        .emitStrategy(EmitStrategy.onWindowClose())
        .aggregate(InstanceStats::new, (id, s, stats) -> stats.add(s), windows("instances", INSTANCE))
        .toStream((window, stats) -> KeyValue.pair(window.key(), window.window().start()))
        .filter((key, stats) -> !key.key.equals(MARKER))
        .map((key, stats) -> KeyValue.pair(key.key, stats.row(key.key, key.value)))
        .to(OUT, Produced.with(STRING, STRING));
  }

  // B as the DSL has it. Tasks advance at different paces, and behind the repartition topic event time is that of the
  // fastest: the grace period has to cover the difference (GRACE_S), and the end has to be announced when all is read.

  private static final Duration GRACE = Duration.ofSeconds(Long.parseLong(env("GRACE_S", "3600")));

  private static void perAgent(KStream<String, Sample> samples) {
    Duration length = Duration.ofMillis(AGENT_WINDOW_MS);
    samples.filter((id, s) -> !s.isMarker())
        .map((id, s) -> KeyValue.pair(s.agent,
            ByteBuffer.allocate(24).putDouble(s.latency).putDouble(s.cpu).putLong(s.errors).array()))
        .repartition(Repartitioned.with(STRING, Serdes.ByteArray()).withName("agents")
            .withNumberOfPartitions(PARTITIONS))
        .peek((agent, s) -> {
          if (agent.equals(MARKER)) {
            AGENTS_DONE.countDown();
          } else {
            AGENT_SEEN.incrementAndGet();
          }
        })
        .groupByKey(Grouped.with(STRING, Serdes.ByteArray()))
        .windowedBy(TimeWindows.ofSizeAndGrace(length, GRACE).advanceBy(Duration.ofMillis(AGENT_SLIDE_MS)))
        .emitStrategy(EmitStrategy.onWindowClose())
        .aggregate(AgentStats::new, (id, bytes, stats) -> {
          ByteBuffer in = ByteBuffer.wrap(bytes);
          return stats.add(in.getDouble(), in.getDouble(), in.getLong());
        }, windows("agents", AGENT).withRetention(GRACE.plus(RETENTION).plus(RETENTION)))
        .toStream((window, stats) -> KeyValue.pair(window.key(), window.window().start()))
        .filter((key, stats) -> !key.key.equals(MARKER))
        .map((key, stats) -> KeyValue.pair(key.key, stats.row(key.key, key.value)))
        .to(OUT, Produced.with(STRING, STRING));
  }

  /** Announces the end to each partition of the repartition topic. */
  private static void closeAgentWindows() {
    long end = System.currentTimeMillis() + Duration.ofDays(365).toMillis();
    Map<String, Object> config = Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, BOOTSTRAP);
    try (var producer = new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
      for (int p = 0; p < PARTITIONS; p++) {
        producer.send(new ProducerRecord<>(APP + "-agents-repartition", p, end, MARKER, new byte[24]));
      }
    }
  }

  // B in two stages. Each task of the source fills 10 s panes per agent; closed ones go through a repartition topic,
  // followed by the task's watermark, to every partition. There panes merge, and windows close by the least watermark.

  private static void perAgentPanes(StreamsBuilder builder, KStream<String, Sample> samples) {
    builder.addStateStore(paneStore("open-panes"));
    builder.addStateStore(paneStore("closed-panes"));
    samples.process(FillPanes::new, "open-panes")
        .repartition(Repartitioned.with(STRING, Serdes.ByteArray()).withName("panes")
            .withNumberOfPartitions(PARTITIONS).withStreamPartitioner(new ByAgent()))
        .process(MergePanes::new, "closed-panes")
        .to(OUT, Produced.with(STRING, STRING));
  }

  private static StoreBuilder<KeyValueStore<Bytes, AgentStats>> paneStore(String name) {
    var supplier = Stores.inMemoryKeyValueStore(name);
    var store = Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), AGENT).withCachingEnabled();
    return LOGGED ? store.withLoggingEnabled(Map.of()) : store.withLoggingDisabled();
  }

  /** Ordered by pane, then agent. */
  private static Bytes paneKey(long start, String agent) {
    byte[] id = agent.getBytes(UTF_8);
    return Bytes.wrap(ByteBuffer.allocate(8 + id.length).putLong(start).put(id).array());
  }

  private static long paneStart(Bytes key) {
    return ByteBuffer.wrap(key.get()).getLong();
  }

  private static String paneAgent(Bytes key) {
    return new String(key.get(), 8, key.get().length - 8, UTF_8);
  }

  /** Watermarks, which are keyed by MARKER, go everywhere. */
  private static final class ByAgent implements StreamPartitioner<String, byte[]> {
    private static final Set<Integer> ALL = IntStream.range(0, PARTITIONS).boxed().collect(Collectors.toSet());

    @Override
    public Optional<Set<Integer>> partitions(String topic, String key, byte[] value, int count) {
      return Optional.of(key.equals(MARKER) ? ALL : Set.of((key.hashCode() & Integer.MAX_VALUE) % count));
    }
  }

  private static final class FillPanes extends ContextualProcessor<String, Sample, String, byte[]> {
    private KeyValueStore<Bytes, AgentStats> panes;
    private long newest, closed;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      super.init(context);
      panes = context.getStateStore("open-panes");
    }

    @Override
    public void process(Record<String, Sample> record) {
      Sample s = record.value();
      if (!s.isMarker()) {
        Bytes key = paneKey(Math.floorDiv(s.ts, AGENT_SLIDE_MS) * AGENT_SLIDE_MS, s.agent);
        AgentStats stats = panes.get(key);
        panes.put(key, (stats == null ? new AgentStats() : stats).add(s));
      }
      newest = Math.max(newest, s.ts);
      long watermark = Math.floorDiv(newest - LATENESS_MS, AGENT_SLIDE_MS) * AGENT_SLIDE_MS;
      if (watermark > closed) {
        close(record.withValue(null), watermark, s.isMarker());
        closed = watermark;
      }
    }

    private void close(Record<String, ?> cause, long watermark, boolean last) {
      try (KeyValueIterator<Bytes, AgentStats> it = panes.range(paneKey(0, ""), paneKey(watermark, ""))) {
        while (it.hasNext()) {
          KeyValue<Bytes, AgentStats> pane = it.next();
          byte[] stats = pane.value.encode();
          byte[] value = ByteBuffer.allocate(8 + stats.length).putLong(paneStart(pane.key)).put(stats).array();
          context().forward(cause.withKey(paneAgent(pane.key)).withValue(value));
          panes.delete(pane.key);
        }
      }
      ByteBuffer value = ByteBuffer.allocate(13).putInt(context().taskId().partition()).putLong(watermark);
      context().forward(cause.withKey(MARKER).withValue(value.put((byte) (last ? 1 : 0)).array()));
    }
  }

  private static final class MergePanes extends ContextualProcessor<String, byte[], String, String> {
    private KeyValueStore<Bytes, AgentStats> panes;
    private final long[] watermarks = new long[PARTITIONS];
    private int ended;
    private long nextEnd = Long.MAX_VALUE, newestPane;

    @Override
    public void init(ProcessorContext<String, String> context) {
      super.init(context);
      panes = context.getStateStore("closed-panes");
    }

    @Override
    public void process(Record<String, byte[]> record) {
      ByteBuffer in = ByteBuffer.wrap(record.value());
      if (!record.key().equals(MARKER)) {
        long start = in.getLong();
        merge(paneKey(start, record.key()), AgentStats.decode(Arrays.copyOfRange(record.value(), 8, in.capacity())));
        newestPane = Math.max(newestPane, start);
        nextEnd = Math.min(nextEnd, start + AGENT_SLIDE_MS);
        return;
      }
      watermarks[in.getInt()] = in.getLong();
      ended += in.get();
      long watermark = Arrays.stream(watermarks).min().getAsLong();
      for (; nextEnd <= watermark && nextEnd <= newestPane + AGENT_WINDOW_MS; nextEnd += AGENT_SLIDE_MS) {
        emit(record, nextEnd - AGENT_WINDOW_MS);
      }
      if (ended == PARTITIONS) {
        AGENTS_DONE.countDown();
      }
    }

    private void merge(Bytes key, AgentStats stats) {
      AgentStats held = panes.get(key);
      panes.put(key, held == null ? stats : held.merge(stats));
    }

    private void emit(Record<String, byte[]> cause, long start) {
      Map<String, AgentStats> window = new TreeMap<>();
      try (var it = panes.range(paneKey(start, ""), paneKey(start + AGENT_WINDOW_MS, ""))) {
        it.forEachRemaining(pane -> window.merge(paneAgent(pane.key), pane.value, AgentStats::merge));
      }
      window.forEach((agent, stats) -> context().forward(cause.withKey(agent).withValue(stats.row(agent, start))));
      try (var it = panes.range(paneKey(0, ""), paneKey(start + AGENT_SLIDE_MS, ""))) {
        it.forEachRemaining(pane -> panes.delete(pane.key));
      }
    }
  }

  private static <T> Serde<T> serde(Function<T, byte[]> write, Function<byte[], T> read) {
    return Serdes.serdeFrom(
        (topic, x) -> x == null ? null : write.apply(x), (topic, b) -> b == null ? null : read.apply(b));
  }
}

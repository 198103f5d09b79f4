package io.tidegauge.bench;

import static io.tidegauge.bench.Telemetry.AGENT_SLIDE_MS;
import static io.tidegauge.bench.Telemetry.AGENT_WINDOW_MS;
import static io.tidegauge.bench.Telemetry.INSTANCE_WINDOW_MS;
import static io.tidegauge.bench.Telemetry.LATENESS_MS;
import static io.tidegauge.bench.Telemetry.env;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.tidegauge.bench.Telemetry.AgentStats;
import io.tidegauge.bench.Telemetry.InstanceStats;
import io.tidegauge.bench.Telemetry.LateRule;
import io.tidegauge.bench.Telemetry.Sample;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The job in Flink's DataStream API, in a mini-cluster in this JVM. B is a sliding window (VARIANT=dsl), or 10 s panes
 * per agent that a sliding window merges (VARIANT=panes).
 */
public final class FlinkEngine {
  private static final String BOOTSTRAP = env("BOOTSTRAP", "127.0.0.1:19092");
  private static final String OUT = env("OUT_TOPIC", "out");
  private static final String JOBS = env("JOBS", "AB");
  private static final boolean PANES = env("VARIANT", "panes").equals("panes");
  private static final String GUARANTEE = env("GUARANTEE", "at_least_once");

  private static final Duration SLIDE = Duration.ofMillis(AGENT_SLIDE_MS);
  private static final TypeInformation<Tuple2<String, String>> ROW = Types.TUPLE(Types.STRING, Types.STRING);

  public static void main(String[] args) throws Exception {
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(2, config());
    flink.getConfig().enableObjectReuse();
    if (!GUARANTEE.equals("none")) {
      boolean once = GUARANTEE.equals("exactly_once");
      flink.enableCheckpointing(10_000, once ? CheckpointingMode.EXACTLY_ONCE : CheckpointingMode.AT_LEAST_ONCE);
    }
    DataStream<Sample> samples = flink.fromSource(source(), WatermarkStrategy
        .<Sample>forBoundedOutOfOrderness(Duration.ofMillis(LATENESS_MS))
        .withTimestampAssigner((s, t) -> s.ts), "samples");
    if (JOBS.equals("A")) {
      perInstance(samples).sinkTo(sink());
    } else if (JOBS.equals("B")) {
      perAgent(samples).sinkTo(sink());
    } else {
      perInstance(samples).union(perAgent(samples)).sinkTo(sink());
    }
    flink.execute("bench");
    System.out.println("late=" + LateRule.LATE.sum());
  }

  private static Configuration config() throws IOException {
    Configuration c = new Configuration();
    c.setString("state.backend.type", "hashmap");
    c.setString("execution.checkpointing.storage", "filesystem");
    c.setString("execution.checkpointing.dir", Files.createTempDirectory("bench-flink-").toUri().toString());
    c.setString("taskmanager.memory.managed.size", "1m");
    return c;
  }

  private static KafkaSource<Sample> source() {
    return KafkaSource.<Sample>builder()
        .setBootstrapServers(BOOTSTRAP)
        .setTopics(env("TOPIC", "telemetry"))
        .setGroupId("bench-" + OUT)
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setBounded(OffsetsInitializer.latest())
        .setProperty("max.poll.records", "5000")
        .setDeserializer(new Decode())
        .build();
  }

  /** Drops markers (a bounded source closes all windows at its end), and drops and counts late samples. */
  private static final class Decode implements KafkaRecordDeserializationSchema<Sample> {
    private transient LateRule rule;
    private transient Sample sample;

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
      rule = new LateRule();
      sample = new Sample();
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Sample> out) {
      sample.decode(record.value());
      if (!sample.isMarker() && !rule.isLate(record.partition(), sample.ts)) {
        out.collect(sample);
      }
    }

    @Override
    public TypeInformation<Sample> getProducedType() {
      return new BinaryType<>(Sample.class, new InstanceSample());
    }
  }

  private static KafkaSink<Tuple2<String, String>> sink() {
    return KafkaSink.<Tuple2<String, String>>builder()
        .setBootstrapServers(BOOTSTRAP)
        .setRecordSerializer((row, context, timestamp) ->
            new ProducerRecord<>(OUT, row.f0.getBytes(UTF_8), row.f1.getBytes(UTF_8)))
        .setDeliveryGuarantee(DeliveryGuarantee.valueOf(GUARANTEE.toUpperCase()))
        .setTransactionalIdPrefix(OUT)
        .setProperty("transaction.timeout.ms", "600000")
        .setProperty("linger.ms", "50")
        .setProperty("batch.size", "262144")
        .build();
  }

  private static DataStream<Tuple2<String, String>> perInstance(DataStream<Sample> samples) {
    BinaryType<InstanceStats> state = new BinaryType<>(InstanceStats.class, new InstanceState());
    return samples
        .keyBy(s -> s.instance, Types.STRING)
        .window(TumblingEventTimeWindows.of(Duration.ofMillis(INSTANCE_WINDOW_MS)))
        .aggregate(new Fold<Sample, InstanceStats>(InstanceStats::new, InstanceStats::add),
            new Emit<InstanceStats, Tuple2<String, String>>((id, start, s) -> Tuple2.of(id, s.row(id, start))),
            state, state, ROW);
  }

  private static DataStream<Tuple2<String, String>> perAgent(DataStream<Sample> samples) {
    BinaryType<AgentStats> state = new BinaryType<>(AgentStats.class, new AgentState());
    SlidingEventTimeWindows sliding = SlidingEventTimeWindows.of(Duration.ofMillis(AGENT_WINDOW_MS), SLIDE);
    Emit<AgentStats, Tuple2<String, String>> row = new Emit<>((id, start, s) -> Tuple2.of(id, s.row(id, start)));
    // The same object, written to the network with the fields of job B only.
    DataStream<Sample> slim = samples.map(s -> s).returns(new BinaryType<>(Sample.class, new AgentSample()));
    if (!PANES) {
      return slim
          .keyBy(s -> s.agent, Types.STRING)
          .window(sliding)
          .aggregate(new Fold<Sample, AgentStats>(AgentStats::new, AgentStats::add), row, state, state, ROW);
    }
    TypeInformation<Tuple2<String, AgentStats>> pane = Types.TUPLE(Types.STRING, state);
    return slim
        .keyBy(s -> s.agent, Types.STRING)
        .window(TumblingEventTimeWindows.of(SLIDE))
        .aggregate(new Fold<Sample, AgentStats>(AgentStats::new, AgentStats::add),
            new Emit<AgentStats, Tuple2<String, AgentStats>>((id, start, stats) -> Tuple2.of(id, stats)), state, state, pane)
        .keyBy(p -> p.f0, Types.STRING)
        .window(sliding)
        .aggregate(new Fold<Tuple2<String, AgentStats>, AgentStats>(AgentStats::new, (sum, p) -> sum.merge(p.f1)),
            row, state, state, ROW);
  }

  private interface Make<S> extends Serializable {
    S make();
  }

  private interface Add<S, T> extends Serializable {
    S add(S state, T element);
  }

  private interface ToRow<S, R> extends Serializable {
    R row(String key, long start, S state);
  }

  private record Fold<T, S>(Make<S> make, Add<S, T> plus) implements AggregateFunction<T, S, S> {
    @Override
    public S createAccumulator() {
      return make.make();
    }

    @Override
    public S add(T element, S state) {
      return plus.add(state, element);
    }

    @Override
    public S getResult(S state) {
      return state;
    }

    @Override
    public S merge(S a, S b) {
      throw new UnsupportedOperationException("only session windows merge");
    }
  }

  private static final class Emit<S, R> extends ProcessWindowFunction<S, R, String, TimeWindow> {
    private final ToRow<S, R> row;

    Emit(ToRow<S, R> row) {
      this.row = row;
    }

    @Override
    public void process(String key, Context context, Iterable<S> states, Collector<R> out) {
      out.collect(row.row(key, context.window().getStart(), states.iterator().next()));
    }
  }

  // Serializers: without them Flink would fall back to reflection.

  /** Event time travels beside the element. */
  public static final class InstanceSample extends Binary<Sample> {
    @Override
    public void serialize(Sample s, DataOutputView out) throws IOException {
      out.writeUTF(s.instance);
      out.writeDouble(s.latency);
      out.writeDouble(s.cpu);
      out.writeDouble(s.memory);
      out.writeDouble(s.rps);
      out.writeLong(s.errors);
      out.writeLong(s.queueDepth);
    }

    @Override
    public Sample deserialize(DataInputView in) throws IOException {
      Sample s = new Sample();
      s.instance = in.readUTF();
      s.latency = in.readDouble();
      s.cpu = in.readDouble();
      s.memory = in.readDouble();
      s.rps = in.readDouble();
      s.errors = in.readLong();
      s.queueDepth = in.readLong();
      return s;
    }
  }

  public static final class AgentSample extends Binary<Sample> {
    @Override
    public void serialize(Sample s, DataOutputView out) throws IOException {
      out.writeUTF(s.agent);
      out.writeDouble(s.latency);
      out.writeDouble(s.cpu);
      out.writeLong(s.errors);
    }

    @Override
    public Sample deserialize(DataInputView in) throws IOException {
      Sample s = new Sample();
      s.agent = in.readUTF();
      s.latency = in.readDouble();
      s.cpu = in.readDouble();
      s.errors = in.readLong();
      return s;
    }
  }

  public static final class InstanceState extends Binary<InstanceStats> {
    @Override
    public void serialize(InstanceStats s, DataOutputView out) throws IOException {
      write(s.encode(), out);
    }

    @Override
    public InstanceStats deserialize(DataInputView in) throws IOException {
      return InstanceStats.decode(read(in));
    }
  }

  public static final class AgentState extends Binary<AgentStats> {
    @Override
    public void serialize(AgentStats s, DataOutputView out) throws IOException {
      write(s.encode(), out);
    }

    @Override
    public AgentStats deserialize(DataInputView in) throws IOException {
      return AgentStats.decode(read(in));
    }
  }

  private abstract static class Binary<T> extends TypeSerializerSingleton<T> {
    static void write(byte[] bytes, DataOutputView out) throws IOException {
      out.writeInt(bytes.length);
      out.write(bytes);
    }

    static byte[] read(DataInputView in) throws IOException {
      byte[] bytes = new byte[in.readInt()];
      in.readFully(bytes);
      return bytes;
    }

    @Override
    public T deserialize(T reuse, DataInputView in) throws IOException {
      return deserialize(in);
    }

    @Override
    public T copy(T from) {
      try {
        var out = new DataOutputSerializer(256);
        serialize(from, out);
        return deserialize(new DataInputDeserializer(out.wrapAsByteBuffer()));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public T copy(T from, T reuse) {
      return copy(from);
    }

    @Override
    public void copy(DataInputView in, DataOutputView out) throws IOException {
      serialize(deserialize(in), out);
    }

    @Override
    public T createInstance() {
      return null;
    }

    @Override
    public boolean isImmutableType() {
      return false;
    }

    @Override
    public int getLength() {
      return -1;
    }

    @Override
    public TypeSerializerSnapshot<T> snapshotConfiguration() {
      return new Snapshot<>(this);
    }
  }

  /** Jobs here start from nothing, never from a savepoint. */
  public static final class Snapshot<T> extends SimpleTypeSerializerSnapshot<T> {
    public Snapshot(TypeSerializer<T> serializer) {
      super(() -> serializer);
    }
  }

  private static final class BinaryType<T> extends TypeInformation<T> {
    private final Class<T> type;
    private final Binary<T> serializer;

    BinaryType(Class<T> type, Binary<T> serializer) {
      this.type = type;
      this.serializer = serializer;
    }

    @Override
    public TypeSerializer<T> createSerializer(SerializerConfig config) {
      return serializer;
    }

    @Override
    public Class<T> getTypeClass() {
      return type;
    }

    @Override
    public boolean isBasicType() {
      return false;
    }

    @Override
    public boolean isTupleType() {
      return false;
    }

    @Override
    public int getArity() {
      return 1;
    }

    @Override
    public int getTotalFields() {
      return 1;
    }

    @Override
    public boolean isKeyType() {
      return false;
    }

    @Override
    public String toString() {
      return serializer.getClass().getSimpleName();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof BinaryType<?> that && serializer.equals(that.serializer);
    }

    @Override
    public int hashCode() {
      return serializer.hashCode();
    }

    @Override
    public boolean canEqual(Object other) {
      return other instanceof BinaryType;
    }
  }
}

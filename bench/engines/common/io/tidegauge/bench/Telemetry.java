package io.tidegauge.bench;

import com.datadoghq.sketch.ddsketch.DDSketch;
import com.datadoghq.sketch.ddsketch.encoding.ByteArrayInput;
import com.datadoghq.sketch.ddsketch.encoding.GrowingByteArrayOutput;
import com.datadoghq.sketch.ddsketch.mapping.CubicallyInterpolatedMapping;
import com.datadoghq.sketch.ddsketch.mapping.IndexMapping;
import com.datadoghq.sketch.ddsketch.store.UnboundedSizeDenseStore;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.LongAdder;

/** What the Java engines share: the sample and its decoding, the lateness rule, the aggregates and their rows. */
public final class Telemetry {
  public static final String MARKER = "__flush__";
  public static final long LATENESS_MS = 60_000;
  public static final long INSTANCE_WINDOW_MS = 60_000;
  public static final long AGENT_WINDOW_MS = 300_000;
  public static final long AGENT_SLIDE_MS = 10_000;
  public static final int PARTITIONS = 4;

  private Telemetry() {}

  public static String env(String name, String fallback) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? fallback : value;
  }

  public static final class Sample {
    public String agent, instance;
    public long ts, errors, queueDepth;
    public double latency, cpu, memory, rps;

    public boolean isMarker() {
      return instance.equals(MARKER);
    }

    private static final JsonFactory JSON = new JsonFactory();
    private static final boolean IS_JSON = env("FORMAT", "avro").equals("json");

    /** Decodes a record's value into this object. */
    public Sample decode(byte[] value) {
      if (IS_JSON) {
        decodeJson(value);
      } else {
        decodeAvro(ByteBuffer.wrap(value, 5, value.length - 5).order(ByteOrder.LITTLE_ENDIAN));
      }
      return this;
    }

    private void decodeAvro(ByteBuffer in) {
      agent = text(in);
      instance = text(in);
      ts = varint(in);
      latency = in.getDouble();
      cpu = in.getDouble();
      memory = in.getDouble();
      rps = in.getDouble();
      errors = varint(in);
      queueDepth = varint(in);
    }

    private void decodeJson(byte[] value) {
      try (JsonParser in = JSON.createParser(value)) {
        in.nextToken();
        while (in.nextToken() == JsonToken.FIELD_NAME) {
          String name = in.currentName();
          in.nextToken();
          switch (name) {
            case "agent_id" -> agent = in.getText();
            case "instance_id" -> instance = in.getText();
            case "ts" -> ts = in.getLongValue();
            case "latency_ms" -> latency = in.getDoubleValue();
            case "cpu" -> cpu = in.getDoubleValue();
            case "memory" -> memory = in.getDoubleValue();
            case "rps" -> rps = in.getDoubleValue();
            case "errors" -> errors = in.getLongValue();
            case "queue_depth" -> queueDepth = in.getLongValue();
            default -> in.skipChildren();
          }
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private static String text(ByteBuffer in) {
      int length = (int) varint(in);
      String text = new String(in.array(), in.position(), length, StandardCharsets.UTF_8);
      in.position(in.position() + length);
      return text;
    }

    private static long varint(ByteBuffer in) {
      long z = 0;
      for (int shift = 0; ; shift += 7) {
        byte b = in.get();
        z |= (long) (b & 0x7f) << shift;
        if (b >= 0) {
          return (z >>> 1) ^ -(z & 1);
        }
      }
    }
  }

  /** A sample is late when it is more than LATENESS_MS behind the newest one of its partition. */
  public static final class LateRule {
    public static final LongAdder LATE = new LongAdder();
    private final long[] newest = new long[PARTITIONS];

    public boolean isLate(int partition, long ts) {
      newest[partition] = Math.max(newest[partition], ts);
      boolean late = ts < newest[partition] - LATENESS_MS;
      if (late) {
        LATE.increment();
      }
      return late;
    }
  }

  /** Sum, extremes, and (by Welford's update) mean and variance. */
  private static final class Moments {
    double sum, min = Double.POSITIVE_INFINITY, max = Double.NEGATIVE_INFINITY, mean, squares;

    void add(double x, long count) {
      sum += x;
      min = Math.min(min, x);
      max = Math.max(max, x);
      double delta = x - mean;
      mean += delta / count;
      squares += delta * (x - mean);
    }

    void write(ByteBuffer out) {
      out.putDouble(sum).putDouble(min).putDouble(max).putDouble(mean).putDouble(squares);
    }

    void read(ByteBuffer in) {
      sum = in.getDouble();
      min = in.getDouble();
      max = in.getDouble();
      mean = in.getDouble();
      squares = in.getDouble();
    }

    void row(StringBuilder out, String name, long count) {
      out.append(",\"").append(name).append("_sum\":").append(sum);
      out.append(",\"").append(name).append("_min\":").append(min);
      out.append(",\"").append(name).append("_max\":").append(max);
      out.append(",\"").append(name).append("_mean\":").append(sum / count);
      out.append(",\"").append(name).append("_var\":").append(squares / count);
    }
  }

  /** Job A: one instance and one tumbling window. */
  public static final class InstanceStats {
    private long count, errors, queueDepth;
    private final Moments latency = new Moments(), cpu = new Moments(), memory = new Moments(), rps = new Moments();
    private DDSketch sketch = newSketch();

    public InstanceStats add(Sample s) {
      count++;
      latency.add(s.latency, count);
      cpu.add(s.cpu, count);
      memory.add(s.memory, count);
      rps.add(s.rps, count);
      sketch.accept(s.latency);
      errors += s.errors;
      queueDepth = Math.max(queueDepth, s.queueDepth);
      return this;
    }

    public byte[] encode() {
      byte[] tail = encodeSketch(sketch);
      ByteBuffer out = ByteBuffer.allocate(8 * 23 + tail.length).putLong(count).putLong(errors).putLong(queueDepth);
      latency.write(out);
      cpu.write(out);
      memory.write(out);
      rps.write(out);
      return out.put(tail).array();
    }

    public static InstanceStats decode(byte[] bytes) {
      InstanceStats s = new InstanceStats();
      ByteBuffer in = ByteBuffer.wrap(bytes);
      s.count = in.getLong();
      s.errors = in.getLong();
      s.queueDepth = in.getLong();
      s.latency.read(in);
      s.cpu.read(in);
      s.memory.read(in);
      s.rps.read(in);
      s.sketch = decodeSketch(bytes, in.position());
      return s;
    }

    public String row(String instance, long start) {
      StringBuilder out = open("A", instance, start, INSTANCE_WINDOW_MS, count);
      latency.row(out, "latency_ms", count);
      cpu.row(out, "cpu", count);
      memory.row(out, "memory", count);
      rps.row(out, "rps", count);
      percentiles(out, sketch, count);
      out.append(",\"errors_sum\":").append(errors).append(",\"queue_depth_max\":").append(queueDepth);
      return out.append('}').toString();
    }
  }

  /** Job B: one agent and one sliding window, or a pane of it. */
  public static final class AgentStats {
    private long count, errors;
    private double cpu;
    private DDSketch sketch = newSketch();

    public AgentStats add(double latency, double cpu, long errors) {
      count++;
      this.cpu += cpu;
      this.errors += errors;
      sketch.accept(latency);
      return this;
    }

    public AgentStats add(Sample s) {
      return add(s.latency, s.cpu, s.errors);
    }

    public AgentStats merge(AgentStats other) {
      count += other.count;
      cpu += other.cpu;
      errors += other.errors;
      sketch.mergeWith(other.sketch);
      return this;
    }

    public byte[] encode() {
      byte[] tail = encodeSketch(sketch);
      ByteBuffer out = ByteBuffer.allocate(8 * 3 + tail.length).putLong(count).putLong(errors).putDouble(cpu);
      return out.put(tail).array();
    }

    public static AgentStats decode(byte[] bytes) {
      AgentStats s = new AgentStats();
      ByteBuffer in = ByteBuffer.wrap(bytes);
      s.count = in.getLong();
      s.errors = in.getLong();
      s.cpu = in.getDouble();
      s.sketch = decodeSketch(bytes, in.position());
      return s;
    }

    public String row(String agent, long start) {
      StringBuilder out = open("B", agent, start, AGENT_WINDOW_MS, count);
      out.append(",\"cpu_mean\":").append(cpu / count);
      percentiles(out, sketch, count);
      return out.append(",\"errors_sum\":").append(errors).append('}').toString();
    }
  }

  private static StringBuilder open(String job, String id, long start, long length, long count) {
    StringBuilder out = new StringBuilder(640).append("{\"job\":\"").append(job).append("\",\"id\":\"").append(id);
    out.append("\",\"start\":").append(start).append(",\"end\":").append(start + length);
    return out.append(",\"count\":").append(count);
  }

  /** The sketch answers for rank q * (count - 1), rounded down; nearest rank is the ceil(q * count)-th value. */
  private static void percentiles(StringBuilder out, DDSketch sketch, long count) {
    for (int p : new int[] {50, 95, 99}) {
      long rank = (p * count + 99) / 100;
      double quantile = count == 1 ? 1 : Math.min(1, (rank - 0.5) / (count - 1));
      out.append(",\"latency_ms_p").append(p).append("\":").append(sketch.getValueAtQuantile(quantile));
    }
  }

  private static final IndexMapping MAPPING = new CubicallyInterpolatedMapping(0.01);

  private static DDSketch newSketch() {
    return new DDSketch(MAPPING, UnboundedSizeDenseStore::new);
  }

  private static byte[] encodeSketch(DDSketch sketch) {
    try {
      GrowingByteArrayOutput out = GrowingByteArrayOutput.withInitialCapacity(512);
      sketch.encode(out, true);
      return Arrays.copyOf(out.backingArray(), out.numWrittenBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static DDSketch decodeSketch(byte[] bytes, int from) {
    try {
      ByteArrayInput in = ByteArrayInput.wrap(bytes, from, bytes.length - from);
      return DDSketch.decode(in, UnboundedSizeDenseStore::new, MAPPING);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

//! The built-in metrics: name, kind, unit, and how each adds up over time and over instances.
//!
//! The list is of entities that are scaled. A metric that is not in it is kept as *unknown*, up to a
//! cap per entity, and treated as a gauge. Units are declared here and never guessed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Number of a built-in metric in shuffle records. **M2**: never changed, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId(pub u16);

/// A metric of a sample: built in, or one that telemetry brought along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// One of [`BUILT_IN`].
    BuiltIn(MetricId),
    /// Any other numeric field, by its name.
    Unknown(Arc<str>),
}

/// A metric's name, or a resource's, as results have it.
pub type MetricName = Cow<'static, str>;

impl Metric {
    /// The metric of that name: built in where there is one.
    #[must_use]
    pub fn named(name: &str) -> Self {
        by_name(name).map_or_else(|| Self::Unknown(name.into()), |def| Self::BuiltIn(def.id))
    }

    /// The name, with its unit last.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(id) => by_id(*id).map_or("?", |def| def.name),
            Self::Unknown(name) => name,
        }
    }

    /// The name to be kept: a built-in one takes no room.
    #[must_use]
    pub fn to_name(&self) -> MetricName {
        match self {
            Self::BuiltIn(id) => Cow::Borrowed(by_id(*id).map_or("?", |def| def.name)),
            Self::Unknown(name) => Cow::Owned(name.as_ref().to_owned()),
        }
    }

    /// What the value is; unknown metrics are gauges.
    #[must_use]
    pub fn kind(&self) -> MetricKind {
        match self {
            Self::BuiltIn(id) => by_id(*id).map_or(MetricKind::Gauge, |def| def.kind),
            Self::Unknown(_) => MetricKind::Gauge,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a metric's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// A level at an instant.
    Gauge,
    /// What happened since the sample before (a delta), never negative.
    Counter,
    /// One observed duration in milliseconds, never negative; kept as a sketch too.
    Latency,
}

/// How the values of an agent's instances make the agent's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregation {
    /// The instances' means add up: requests per second, cores in use.
    Sum,
    /// A ratio or a level that does not add up: the mean over samples.
    Mean,
    /// The same thing seen by each: the greatest.
    Max,
}

/// One built-in metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDef {
    /// Its number in shuffle records.
    pub id: MetricId,
    /// Its name in telemetry, unit last.
    pub name: &'static str,
    /// What its value is.
    pub kind: MetricKind,
    /// How instances' values make the agent's.
    pub over_instances: Aggregation,
    /// The unit, for people.
    pub unit: &'static str,
    /// Computed by tidegauge from other metrics of the same sample; never read from telemetry.
    pub derived: bool,
}

/// The built-in metric with that number.
#[must_use]
pub fn by_id(id: MetricId) -> Option<&'static MetricDef> {
    BUILT_IN.binary_search_by_key(&id, |def| def.id).ok().map(|index| &BUILT_IN[index])
}

/// The built-in metric of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static MetricDef> {
    BUILT_IN.iter().find(|def| def.name == name)
}

/// What the metrics begin with that hold requests by kind: `requests_by_kind.search`. Not built in, for kinds are the
/// producer's; the sum over a window's samples is their count.
pub const REQUESTS_BY_KIND: &str = "requests_by_kind.";

macro_rules! metrics {
    ($($id:literal $constant:ident $name:literal $kind:ident $over:ident $unit:literal $($derived:ident)?;)*) => {
        /// Every built-in metric, ascending by number.
        pub const BUILT_IN: &[MetricDef] = &[$(MetricDef {
            id: MetricId($id),
            name: $name,
            kind: MetricKind::$kind,
            over_instances: Aggregation::$over,
            unit: $unit,
            derived: metrics!(@derived $($derived)?),
        }),*];
        $(
            #[doc = concat!("`", $name, "` (", $unit, ").")]
            pub const $constant: MetricId = MetricId($id);
        )*
    };
    (@derived) => { false };
    (@derived derived) => { true };
}

metrics! {
    // load
    1   CONCURRENT_USERS            "concurrent_users"               Gauge   Max  "users";
    2   REQUESTS_PER_S              "requests_per_s"                 Gauge   Sum  "offered requests per second";
    3   THROUGHPUT_PER_S            "throughput_per_s"               Gauge   Sum  "completed requests per second";
    4   QUEUE_DEPTH                 "queue_depth"                    Gauge   Sum  "waiting items";
    5   BACKPRESSURE_EVENTS         "backpressure_events"            Counter Sum  "events";
    6   DROPPED_REQUESTS            "dropped_requests"               Counter Sum  "requests";
    7   TASKS_COMPLETED             "tasks_completed"                Counter Sum  "tasks";
    8   TOKENS_PER_S                "tokens_per_s"                   Gauge   Sum  "tokens per second";
    9   TIME_TO_FIRST_TOKEN_MS      "time_to_first_token_ms"         Latency Mean "milliseconds";
    10  KV_CACHE_UTILIZATION        "kv_cache_utilization"           Gauge   Mean "ratio";
    11  TOOL_CALLS_IN_FLIGHT        "tool_calls_in_flight"           Gauge   Sum  "calls";
    // latency
    20  RESPONSE_TIME_MS            "response_time_ms"               Latency Mean "milliseconds";
    21  SERVICE_TIME_MS             "service_time_ms"                Latency Mean "milliseconds";
    22  QUEUE_TIME_MS               "queue_time_ms"                  Latency Mean "milliseconds";
    // errors
    30  REQUESTS                    "requests"                       Counter Sum  "requests";
    31  CLIENT_ERRORS               "client_errors"                  Counter Sum  "requests";
    32  SERVER_ERRORS               "server_errors"                  Counter Sum  "requests";
    33  TIMEOUT_ERRORS              "timeout_errors"                 Counter Sum  "requests";
    34  RATE_LIMIT_ERRORS           "rate_limit_errors"              Counter Sum  "requests";
    35  UPSTREAM_RATE_LIMITED       "upstream_rate_limited"          Counter Sum  "requests";
    // resources
    40  CPU_USED_CORES              "cpu_used_cores"                 Gauge   Sum  "cores";
    41  CPU_REQUESTED_CORES         "cpu_requested_cores"            Gauge   Sum  "cores";
    42  CPU_LIMIT_CORES             "cpu_limit_cores"                Gauge   Sum  "cores";
    43  MEMORY_USED_BYTES           "memory_used_bytes"              Gauge   Sum  "bytes";
    44  MEMORY_REQUESTED_BYTES      "memory_requested_bytes"         Gauge   Sum  "bytes";
    45  MEMORY_LIMIT_BYTES          "memory_limit_bytes"             Gauge   Sum  "bytes";
    46  DISK_USED_BYTES             "disk_used_bytes"                Gauge   Sum  "bytes";
    47  DISK_LIMIT_BYTES            "disk_limit_bytes"               Gauge   Sum  "bytes";
    48  IO_BYTES_PER_S              "io_bytes_per_s"                 Gauge   Sum  "bytes per second";
    49  IO_LIMIT_BYTES_PER_S        "io_limit_bytes_per_s"           Gauge   Sum  "bytes per second";
    50  NETWORK_IN_BYTES_PER_S      "network_in_bytes_per_s"         Gauge   Sum  "bytes per second";
    51  NETWORK_OUT_BYTES_PER_S     "network_out_bytes_per_s"        Gauge   Sum  "bytes per second";
    52  NETWORK_LIMIT_BYTES_PER_S   "network_limit_bytes_per_s"      Gauge   Sum  "bytes per second";
    53  GPU_UTILIZATION_OF_LIMIT    "gpu_utilization_of_limit"       Gauge   Mean "ratio";
    54  GPU_MEMORY_USED_BYTES       "gpu_memory_used_bytes"          Gauge   Sum  "bytes";
    55  GPU_MEMORY_LIMIT_BYTES      "gpu_memory_limit_bytes"         Gauge   Sum  "bytes";
    // utilization: derived from used and limit or request where those are reported, else as mapped
    60  CPU_UTILIZATION_OF_LIMIT     "cpu_utilization_of_limit"      Gauge   Mean "ratio";
    61  CPU_UTILIZATION_OF_REQUEST   "cpu_utilization_of_request"    Gauge   Mean "ratio";
    62  MEMORY_UTILIZATION_OF_LIMIT  "memory_utilization_of_limit"   Gauge   Mean "ratio";
    63  MEMORY_UTILIZATION_OF_REQUEST "memory_utilization_of_request" Gauge  Mean "ratio";
    64  DISK_UTILIZATION_OF_LIMIT    "disk_utilization_of_limit"     Gauge   Mean "ratio";
    65  IO_UTILIZATION_OF_LIMIT      "io_utilization_of_limit"       Gauge   Mean "ratio";
    66  NETWORK_UTILIZATION_OF_LIMIT "network_utilization_of_limit"  Gauge   Mean "ratio";
    67  GPU_MEMORY_UTILIZATION_OF_LIMIT "gpu_memory_utilization_of_limit" Gauge Mean "ratio";
    // waiting
    70  CPU_THROTTLED_RATIO         "cpu_throttled_ratio"            Gauge   Mean "ratio";
    71  RUN_QUEUE                   "run_queue"                      Gauge   Sum  "runnable tasks waiting";
    72  MEMORY_PRESSURE_RATIO       "memory_pressure_ratio"          Gauge   Mean "ratio";
    73  SWAP_BYTES                  "swap_bytes"                     Gauge   Sum  "bytes";
    74  OOM_KILLS                   "oom_kills"                      Counter Sum  "kills";
    75  IO_WAIT_RATIO               "io_wait_ratio"                  Gauge   Mean "ratio";
    76  PACKET_LOSS_RATIO           "packet_loss_ratio"              Gauge   Mean "ratio";
    77  POOL_CONNECTIONS_IN_USE     "pool_connections_in_use"        Gauge   Sum  "connections";
    78  POOL_CONNECTIONS_SIZE       "pool_connections_size"          Gauge   Sum  "connections";
    79  CACHE_HIT_RATIO             "cache_hit_ratio"                Gauge   Mean "ratio";
    80  SLOW_QUERIES                "slow_queries"                   Counter Sum  "queries";
    81  LOCK_WAIT_MS                "lock_wait_ms"                   Latency Mean "milliseconds";
    // sessions, supply
    90  ACTIVE_SESSIONS             "active_sessions"                Gauge   Sum  "sessions";
    91  TOP_SESSION_SHARE           "top_session_share"              Gauge   Max  "ratio";
    92  MAX_CONCURRENCY             "max_concurrency"                Gauge   Sum  "requests";
    93  PENDING_INSTANCES           "pending_instances"              Gauge   Max  "instances";
    94  FREE_NODE_CAPACITY          "free_node_capacity"             Gauge   Max  "instances";
    95  QUOTA_USE_RATIO             "quota_use_ratio"                Gauge   Max  "ratio";
    // cost
    100 COMPUTE_COST_PER_HOUR       "compute_cost_per_hour"          Gauge   Sum  "currency per hour";
    101 STORAGE_COST_PER_HOUR       "storage_cost_per_hour"          Gauge   Sum  "currency per hour";
    102 NETWORK_COST_PER_HOUR       "network_cost_per_hour"          Gauge   Sum  "currency per hour";
    103 SERVICES_COST_PER_HOUR      "services_cost_per_hour"         Gauge   Sum  "currency per hour";
    // between regions
    110 DATA_TRANSFER_BYTES         "data_transfer_bytes"            Counter Sum  "bytes";
    111 REPLICATION_LAG_MS          "replication_lag_ms"             Latency Mean "milliseconds";
    112 LATENCY_TO_USERS_MS         "latency_to_users_ms"            Latency Mean "milliseconds";
    // shards
    120 SHARD_ITEMS                 "shard_items"                    Gauge   Sum  "items";
    121 LOCAL_ACCESSES              "local_accesses"                 Counter Sum  "accesses";
    122 REMOTE_ACCESSES             "remote_accesses"                Counter Sum  "accesses";
    123 CONFLICTS                   "conflicts"                      Counter Sum  "conflicts";
    124 HEALTH_PROBE_FAILURES       "health_probe_failures"          Counter Sum  "probes";
    // consumer groups of Kafka, as the brokers tell
    140 CONSUMER_LAG_RECORDS        "consumer_lag_records"           Gauge   Sum  "unread records";
    141 CONSUMER_LAG_SECONDS        "consumer_lag_seconds"           Gauge   Max  "seconds";
    142 CONSUMER_ARRIVALS_PER_S     "consumer_arrivals_per_s"        Gauge   Sum  "appended records per second";
    143 CONSUMER_READS_PER_S        "consumer_reads_per_s"           Gauge   Sum  "committed records per second";
    // share of samples saturated: 0 or 1 a sample, so that the mean is the share of instance-time
    200 CPU_SATURATED               "cpu_saturated"                  Gauge   Mean "share" derived;
    201 MEMORY_SATURATED            "memory_saturated"               Gauge   Mean "share" derived;
    202 IO_SATURATED                "io_saturated"                   Gauge   Mean "share" derived;
    203 NETWORK_SATURATED           "network_saturated"              Gauge   Mean "share" derived;
    204 GPU_SATURATED               "gpu_saturated"                  Gauge   Mean "share" derived;
    // whether the sample had a waiting metric for the resource, so that saturation rests on more than utilization
    210 CPU_WAITING_REPORTED        "cpu_waiting_reported"           Gauge   Mean "share" derived;
    211 MEMORY_WAITING_REPORTED     "memory_waiting_reported"        Gauge   Mean "share" derived;
    212 IO_WAITING_REPORTED         "io_waiting_reported"            Gauge   Mean "share" derived;
    213 NETWORK_WAITING_REPORTED    "network_waiting_reported"       Gauge   Mean "share" derived;
    214 GPU_WAITING_REPORTED        "gpu_waiting_reported"           Gauge   Mean "share" derived;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn m2_numbers_ascend_and_names_are_unique() {
        assert!(BUILT_IN.windows(2).all(|pair| pair[0].id < pair[1].id));
        let names: BTreeSet<_> = BUILT_IN.iter().map(|def| def.name).collect();
        assert_eq!(names.len(), BUILT_IN.len());
        for def in BUILT_IN {
            assert_eq!(by_id(def.id), Some(def));
            assert_eq!(by_name(def.name), Some(def));
        }
    }

    #[test]
    fn a_metric_with_another_name_is_unknown_and_a_gauge() {
        let metric = Metric::named("gpu_fan_rpm");
        assert_eq!(metric, Metric::Unknown("gpu_fan_rpm".into()));
        assert_eq!((metric.kind(), metric.name()), (MetricKind::Gauge, "gpu_fan_rpm"));
        assert_eq!(Metric::named("queue_depth"), Metric::BuiltIn(QUEUE_DEPTH));
    }
}

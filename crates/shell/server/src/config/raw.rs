//! Every setting, with what it does, its unit, its default and its edges, as an operator writes it.

use super::setting::Default::{Absent, Required};
use super::setting::{ByteSize, choices, sections};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegauge_model::Level;

choices! {
    /// What the broker's listener speaks.
    SecurityProtocol {
        /// No encryption, no authentication.
        Plaintext = "plaintext",
        /// TLS.
        Ssl = "ssl",
        /// SASL over TLS.
        SaslSsl = "sasl_ssl",
        /// SASL without encryption.
        SaslPlaintext = "sasl_plaintext",
    }
    /// How a password is proved to the broker.
    Mechanism {
        /// SCRAM with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// SCRAM with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
        /// As it is.
        Plain = "PLAIN",
    }
    /// How telemetry is encoded.
    IngestFormat {
        /// Told apart record by record.
        Auto = "auto",
        /// Avro behind a zero byte and a registry's schema id.
        AvroConfluent = "avro_confluent",
        /// Avro behind `C3 01` and the schema's fingerprint.
        AvroSingleObject = "avro_single_object",
        /// JSON only.
        Json = "json",
    }
    /// What becomes of the heaviest keys that telemetry names.
    TopKeys {
        /// They are taken by their names.
        Plain = "plain",
        /// A digest stands for each name.
        Hashed = "hashed",
        /// They are read over.
        Off = "off",
    }
    /// How outputs are encoded.
    OutputFormat {
        /// Avro, single-object encoding.
        Avro = "avro",
        /// JSON.
        Json = "json",
    }
    /// What survives a crash.
    Delivery {
        /// Nothing is lost; after a crash some outputs may be published twice, with the same ids.
        AtLeastOnce = "at_least_once",
        /// Nothing is lost, nothing is published twice.
        ExactlyOnce = "exactly_once",
    }
    /// The form of log lines.
    LogFormat {
        /// `human` on a terminal, `json` otherwise.
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }
    /// How much is logged.
    LogLevel {
        /// Only what failed.
        Error = "error",
        /// And what needs attention.
        Warn = "warn",
        /// And what happened.
        Info = "info",
        /// And how.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

impl super::setting::Leaf for Level {
    fn expected() -> String {
        format!("one of {}", Self::ALL.map(Self::name).join(", "))
    }

    fn read(value: &config::Value) -> Option<Self> {
        let name = super::setting::text_of(value)?;
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    fn kind() -> String {
        Self::ALL.map(|level| format!("`{}`", level.name())).join(", ")
    }

    fn shown(&self) -> serde_json::Value {
        self.name().into()
    }
}

sections! {
    /// The configuration as it is written.
    RawConfig {
        /// This process.
        node: NodeSection = "{}",
        /// Name of this installation: outputs say `/tidegauge/<cluster>` as their CloudEvents source. Changing it
        /// changes nothing else.
        cluster: String = "default",
        /// The brokers, and how to reach them.
        kafka: KafkaSection = "{}",
        /// Names and shapes of topics.
        topics: TopicsSection = "{}",
        /// How telemetry is read.
        ingest: IngestSection = "{}",
        /// Consumer groups whose lag is measured: samples of it are written to a telemetry topic.
        lag: Vec<LagSection> = "[]",
        /// How event time is cut, and how long to wait for whom.
        time: TimeSection = "{}",
        /// The windows that are kept, published, and named by policies. Each pair of size and slide once.
        windows: Vec<WindowSection> = "[{size: 1m, slide: 10s, levels: [agent, instance, entity]}]",
        /// Windows of agents, workspaces or the fleet of hours or days, of which no panes are kept. They begin where UTC
        /// has them begin. Policies do not see them; alert rules that are not by instance may see those of agents.
        rollups: Vec<RollupSection> = "[]",
        /// Windows from the first sign of life of an instance, or of an agent, to the last one before a silence.
        sessions: SessionsSection = "{}",
        /// What policies and alert rules may watch besides metrics.
        signals: SignalsSection = "{}",
        /// What is decided.
        policies: PoliciesSection = "{}",
        /// What is alerted on.
        alerts: AlertsSection = "{}",
        /// What is looked for in closed windows: instances that are hot, resources at their limit, what became worse.
        analytics: AnalyticsSection = "{}",
        /// How windows, decisions, alerts and findings are published.
        output: OutputSection = "{}",
        /// How many threads each stage has in this process.
        workers: WorkersSection = "{}",
        /// What survives a crash: `exactly_once`, or `at_least_once` for brokers without transactions.
        delivery: Delivery = "exactly_once",
        /// Log lines, which go to standard error.
        log: LogSection = "{}",
        /// Where `run` answers an operator: health, metrics, status.
        http: HttpSection = "{}",
        /// What `/metrics` shows.
        metrics: MetricsSection = "{}",
        /// SQL over closed windows at `POST /query`, where `http.listen` is set.
        query: QuerySection = "{}",
        /// Closed windows in Parquet, which `tidegauge history write` keeps and `tidegauge query --history` asks.
        history: HistorySection = "{}",
        /// Carrying decisions out, which `tidegauge actuate` does.
        actuate: ActuateSection = "{}",
        /// Telling people of alerts, which `tidegauge notify` does.
        notify: NotifySection = "{}",
    }

    /// This process.
    NodeSection {
        /// Name of this process among its like; default: the host's name. Two processes of one group need different
        /// ones: the broker takes equal names for the same process, restarted, and locks the older one out.
        id: Option<String> = Absent,
    }

    /// The brokers, and how to reach them.
    KafkaSection {
        /// Brokers to ask first, `host:port`, as a list or separated by commas. The others are learnt from them.
        bootstrap: Vec<String> = "[localhost:9092]",
        /// Consumer group; `-aggregate` and `-decide` are added to it. Another name starts from the beginning of
        /// the topics.
        group: String = "tidegauge",
        /// How long to wait for a broker at start before giving up with exit code 69. One that refuses password or
        /// certificate is given up after 3 s.
        startup_timeout: Duration = "60s",
        /// Encryption and authentication.
        security: SecuritySection = "{}",
        /// More settings of librdkafka under its own names, such as `socket.timeout.ms`. Those that correctness
        /// rests on are refused.
        properties: BTreeMap<String, String> = "{}",
    }

    /// Encryption and authentication.
    SecuritySection {
        /// What the broker's listener speaks: `plaintext`, `ssl`, `sasl_ssl` or `sasl_plaintext`.
        protocol: SecurityProtocol = "plaintext",
        /// PEM file of the authorities to trust; default: the system's. With `ssl` and `sasl_ssl` only. Relative
        /// paths, here and below, are relative to the configuration file.
        ca_file: Option<PathBuf> = Absent,
        /// PEM file of our own certificate, where the broker asks for one; needs `key_file`.
        certificate_file: Option<PathBuf> = Absent,
        /// PEM file of the key of `certificate_file`, without a password.
        key_file: Option<PathBuf> = Absent,
        /// How the password is proved, with the sasl protocols: `SCRAM-SHA-256`, `SCRAM-SHA-512` or `PLAIN`.
        mechanism: Option<Mechanism> = Absent,
        /// The user, with the sasl protocols.
        username: Option<String> = Absent,
        /// File that holds the password, with the sasl protocols; white space at its end is not part of it.
        password_file: Option<PathBuf> = Absent,
    }

    /// Names and shapes of topics. `tidegauge topics ensure` creates those that are missing.
    TopicsSection {
        /// Topics that telemetry is read from, at least one. Best with `message.timestamp.type=LogAppendTime`.
        telemetry: Vec<String> = "[agents.telemetry.v1]",
        /// The journal between the two stages.
        shuffle: String = "tidegauge.shuffle.v1",
        /// Closed windows.
        windows: String = "tidegauge.windows.v1",
        /// Every decision.
        decisions: String = "tidegauge.decisions.v1",
        /// The standing decision of each target.
        decisions_current: String = "tidegauge.decisions.current.v1",
        /// Transitions of alerts.
        alerts: String = "tidegauge.alerts.v1",
        /// Findings of analytics: begun, changed, ended.
        findings: String = "tidegauge.findings.v1",
        /// Samples that came too late.
        late: String = "tidegauge.late.v1",
        /// Records that could not be read.
        dead_letters: String = "tidegauge.dead-letters.v1",
        /// What Deciders remember, in rounds.
        state: String = "tidegauge.state.v1",
        /// What actuators did about decisions. `tidegauge actuate` writes it, `run` reads it where it exists at the start;
        /// `topics ensure --scaling-events` creates it.
        scaling_events: String = "agents.scaling-events.v1",
        /// Partitions of the shuffle topic, of the state topic and of the outputs, 1 to 1024: the most workers that
        /// can decide at the same time. Fixed once the topics exist.
        shuffle_partitions: u32 = "8",
        /// Copies of each partition of topics that are created; -1: the broker's default.
        replication_factor: i32 = "-1",
        /// How long the shuffle and state topics are kept, and so how far back a replay can go.
        replay_horizon: Duration = "7d",
    }

    /// How telemetry is read.
    IngestSection {
        /// How it is encoded: `avro_confluent`, `avro_single_object`, `json`, or `auto` to tell record by record.
        format: IngestFormat = "auto",
        /// The schema registry, where there is one.
        schema_registry: RegistrySection = "{}",
        /// Mapping file for records that are not tidegauge's own; default: none.
        mapping: Option<PathBuf> = Absent,
        /// Workspace of samples that name none.
        default_workspace: String = "default",
        /// Longest record that is read, 1 KiB to 16 MiB; longer ones go to dead letters, cut.
        max_record_bytes: ByteSize = "1 MiB",
        /// Most metrics without a built-in name that are kept of one instance; further ones are dropped and counted.
        unknown_metrics_per_entity: u32 = "64",
        /// Most instances of one agent that are kept apart; further ones count together.
        instances_per_agent: u32 = "20000",
        /// Utilization of its limit from which a resource counts as saturated: a ratio above 0, at most 1.
        saturation_level: f64 = "0.9",
        /// What becomes of `top_keys`, which may name people: `plain`, `hashed`, or `off` to read over them. What is left is
        /// in the journal, in windows, findings and the history.
        top_keys: TopKeys = "plain",
        /// File with the secret that is hashed with each key, the same for all processes; needed for `hashed`.
        top_keys_secret_file: Option<PathBuf> = Absent,
    }

    /// A consumer group whose lag is measured, for an agent.
    LagSection {
        /// The group, as its consumers name it.
        group: String = Required,
        /// The topic that it reads. Default: every topic in which it has a position.
        topic: Option<String> = Absent,
        /// The agent whose instances are its consumers.
        agent: String = Required,
        /// Its workspace. Default: `ingest.default_workspace`.
        workspace: Option<String> = Absent,
        /// How often it is measured, 1 s to 10 min.
        every: Duration = "10s",
        /// The topic that samples are written to, one of `topics.telemetry`. Default: the first of them.
        into: Option<String> = Absent,
    }

    /// The schema registry, where there is one. Without it, records in Confluent framing go to dead letters.
    RegistrySection {
        /// Its address, such as `https://registry:8081`; default: none.
        url: Option<String> = Absent,
        /// The user, where it asks for one; needs `password_file`.
        username: Option<String> = Absent,
        /// File that holds the password.
        password_file: Option<PathBuf> = Absent,
    }

    /// How event time is cut, and how long to wait for whom.
    TimeSection {
        /// Width of a pane, the smallest slice of event time, 100 ms to 1 h. Windows are whole numbers of it.
        pane: Duration = "10s",
        /// How far behind the greatest event time of its partition a sample is still on time. Greater: fewer late
        /// samples, later windows.
        disorder: Duration = "5s",
        /// How long after its pane closed a sample still counts in windows that are open; older ones go to the late
        /// topic.
        allowed_lateness: Duration = "1m",
        /// How far ahead of the broker's clock a sample may be; others go to dead letters.
        max_future: Duration = "60s",
        /// A partition that was read to its end and is this far behind the others is not waited for. At least a
        /// pane.
        max_skew: Duration = "5m",
        /// A partition that was read to its end is idle after this long, and not waited for. At least 1 s.
        idle_after: Duration = "15s",
        /// A partition whose worker has said nothing for this long is not waited for, and lowers completeness. At
        /// least 10 s: workers speak every 5 s.
        stall_after: Duration = "60s",
    }

    /// One kind of window.
    WindowSection {
        /// Its length: a whole number of panes.
        size: Duration = Required,
        /// Distance between successive windows: a whole number of panes, and of which the size is a multiple.
        /// Default: the size, so that windows do not overlap.
        slide: Option<Duration> = Absent,
        /// What is summarized: `instance`, `entity`, `agent`, `region`, `workspace`, `fleet`, or several. An
        /// entity is what telemetry measures besides instances: a database, a shard, ... A region is that of an
        /// agent, and has the instances whose telemetry names it; it costs as much as windows of instances. A
        /// workspace has all of its agents, the fleet all agents; the workspace `default`, that of telemetry that
        /// names none, has no windows of its own. All processes of a group need the same levels: until the last
        /// has been restarted with new ones, their windows hold a part.
        levels: Vec<Level> = "[agent, instance, entity]",
        /// Of those, whose windows carry the sketches behind their percentiles; regions and other entities as
        /// agents do, and workspaces and the fleet where one of both is named. About a kilobyte for each latency
        /// metric; from them SQL takes percentiles over hours, agents and workspaces.
        sketches: Vec<Level> = "[]",
        /// For how long after its end a window that was published is published again when samples come for it: a
        /// whole number of panes. Its cells are kept that much longer. Samples later than `time.allowed_lateness`
        /// in their own partition are refused as ever. Policies, alert rules, findings, SQL and the history see
        /// windows as they closed. Default: a window that was published stays as it is.
        revisions: Option<Duration> = Absent,
    }

    /// One kind of roll-up.
    RollupSection {
        /// Its length: a whole number of panes, and at most 31 days.
        size: Duration = Required,
        /// Distance between successive roll-ups: a whole number of panes, of which the size is a multiple, at most 744
        /// times. For each target a sum is kept, and written with every snapshot, for each slide of the size. Each pair of
        /// size and slide once. Default: the size, so that they do not overlap.
        slide: Option<Duration> = Absent,
        /// What is summarized: `agent`, `workspace`, `fleet`, or several, as in `windows`.
        levels: Vec<Level> = "[agent]",
        /// How often what is known so far is published, before the window closes: a whole number of panes, of which the
        /// size is a multiple. Not of roll-ups that overlap. Default: never.
        early: Option<Duration> = Absent,
    }

    /// Windows from the first sign of life of an instance, or of an agent, to the last one before a silence. They are
    /// published when the silence and `time.allowed_lateness` are over; policies and alert rules do not see them.
    SessionsSection {
        /// A silence of this length ends a session: a whole number of panes. Default: there are no sessions.
        gap: Option<Duration> = Absent,
        /// A session that would be longer ends, and the next one begins: a whole number of panes, at most 31 days.
        longest: Duration = "1d",
        /// Of what there are sessions: `agent`, `instance`, or both.
        levels: Vec<Level> = "[instance]",
    }

    /// What policies and alert rules may watch besides metrics.
    SignalsSection {
        /// Files of signals, each a name and a SELECT over closed windows, or directories of which every `.yaml` and
        /// `.yml` file is read. They hold as policies do.
        paths: Vec<PathBuf> = "[]",
    }

    /// What is decided.
    PoliciesSection {
        /// Files of policies and quotas of workspaces, or directories of which every `.yaml` and `.yml` file is read. What
        /// they say holds once it is in the journal, and goes on holding there; of two versions the higher one holds. SIGHUP
        /// reads them again.
        paths: Vec<PathBuf> = "[]",
    }

    /// What is alerted on.
    AlertsSection {
        /// File of alert rules, silences and inhibition rules, or a folder of such files. Without any alert rules in it: the
        /// built-in ones.
        path: Option<PathBuf> = Absent,
    }

    /// What is looked for in closed windows: instances that are hot, resources at their limit, what became worse. It is a
    /// function of the windows and of these settings: all processes of a group, and a replay, need the same.
    AnalyticsSection {
        /// Whether it is looked at all. Switched off, findings that are open end.
        enabled: bool = "true",
        /// Length of the windows that are looked at, one after the other: a whole number of panes. They need not be among
        /// `windows`. Shorter: findings come earlier, and rest on less. Default: the least that is 1m or more.
        window: Option<Duration> = Absent,
        /// Windows in a row that have to show a finding before it opens, 1 to 100.
        open_after: u32 = "3",
        /// Windows in a row that must not show it before it ends, 1 to 100.
        close_after: u32 = "2",
        /// A finding that lasts is published again after this long, 1m or more.
        repeat_after: Duration = "6h",
        /// Completeness below which a window opens nothing and ends nothing: 0 to 1.
        min_completeness: f64 = "0.5",
        /// Most findings of one agent, open and about to open, 1 to 10000. The worst are followed, further ones counted.
        max_findings: u32 = "100",
        /// How far the most loaded instance may be above the mean, as a share of it, before the load is imbalanced. What
        /// chance makes is allowed for besides.
        imbalance: f64 = "0.2",
        /// How many times the median load an instance has to carry to be hot; above 1.
        hotspot_ratio: f64 = "1.2",
        /// Utilization below which no instance is hot, 0 to 1.
        hotspot_utilization: f64 = "0.3",
        /// Share of the median load below which an instance is underutilized, 0 to 1.
        underutilized_ratio: f64 = "0.5",
        /// Utilization from which none is, 0 to 1.
        underutilized_utilization: f64 = "0.2",
        /// Share of instance-time at its limit from which a resource is saturated: above 0, at most 1.
        saturation: f64 = "0.05",
        /// How many times what is usual response time or error rate have to be to have become worse; above 1.
        degradation_ratio: f64 = "1.2",
        /// How far back "usual" reaches: 10 windows or more. What became worse is usual after this long. Default: 1h, or
        /// 60 windows where that is longer.
        baseline: Option<Duration> = Absent,
        /// Response time that no request should exceed. With it, hot instances say how many requests they slowed down,
        /// and capacity is where the 95th percentile meets it.
        response_time_objective: Option<Duration> = Absent,
        /// Utilization of limit that no instance should exceed, at which its capacity is: above 0, at most 1.
        utilization_objective: f64 = "0.8",
    }

    /// How windows, decisions, alerts and findings are published.
    OutputSection {
        /// `avro`, in single-object encoding, or `json`.
        format: OutputFormat = "avro",
        /// Whether records carry the headers of a CloudEvent.
        cloudevents: bool = "true",
    }

    /// How many threads each stage has in this process; together at least one, each at most 256.
    WorkersSection {
        /// Threads that read telemetry. More than its partitions are idle.
        aggregate: u32 = "1",
        /// Threads that close windows and decide. More than `topics.shuffle_partitions` are idle.
        decide: u32 = "1",
        /// Most records taken from a partition at a time, 1 to 100000. Results do not depend on it.
        batch: u32 = "10000",
        /// With outputs waiting, they and the positions that they follow from are committed this often, 10 ms to 1 s.
        /// Shorter: fresher results, more work for the brokers.
        commit_interval: Duration = "200ms",
        /// What deciding remembers is written to the state topic this often, 1 s to 10 min. Shorter: a faster restart,
        /// more records.
        snapshot_interval: Duration = "10s",
        /// Memory that the process may take, 128 MiB or more. Close to it, telemetry partitions that are ahead of the
        /// others are not read until there is room.
        memory_limit: ByteSize = "2 GiB",
    }

    /// Log lines, which go to standard error.
    LogSection {
        /// `human`, `json`, or `auto`: human on a terminal, else json.
        format: LogFormat = "auto",
        /// `error`, `warn`, `info`, `debug` or `trace`. The environment variable TIDEGAUGE_LOG has precedence, and
        /// may be finer: `info,tidegauge_kafka=debug`.
        level: LogLevel = "info",
    }

    /// Where `run` answers an operator: health, metrics, status.
    HttpSection {
        /// Address of `/livez`, `/readyz`, `/metrics` and `/status`, such as 127.0.0.1:9464; default: nowhere. It
        /// asks nobody for a password and changes nothing; port 0 takes a free one, which the log names.
        listen: Option<SocketAddr> = Absent,
    }

    /// What `/metrics` shows.
    MetricsSection {
        /// Most agents that have series of their own, about fifteen each; of more, the first by workspace and name.
        /// `tidegauge_metrics_dropped_targets` counts the others. 0: none have.
        max_targets: u32 = "1000",
    }

    /// SQL over closed windows at `POST /query`, where `http.listen` is set. Each query runs in a process of its own.
    QuerySection {
        /// Whether queries are answered. They show what telemetry says, and nobody is asked for a password.
        enabled: bool = "false",
        /// How long windows that this process published are kept for them, 1 s to 24 h.
        keep: Duration = "10m",
        /// Most memory for those windows, 1 MiB or more; beyond it the oldest go first.
        keep_memory: ByteSize = "64 MiB",
        /// Most queries at a time, 1 to 64; further ones are answered with 429.
        concurrent: u32 = "2",
        /// How long a query may take to be planned, and again to be run, 100 ms to 10 min.
        max_time: Duration = "10s",
        /// Memory that a query may take, 16 MiB or more; about 64 MiB come on top for its process. Not part of
        /// `workers.memory_limit`.
        max_memory: ByteSize = "256 MiB",
        /// Rows of an answer, 1 to 1000000; it says so if there are more.
        max_rows: u32 = "10000",
    }

    /// Closed windows in Parquet, which `tidegauge history write` keeps and `tidegauge query --history` asks. `run` reads
    /// none of this.
    HistorySection {
        /// A folder, `file:///folder` or `s3://bucket/prefix`. Everything in it belongs to the history of one windows
        /// topic.
        url: Option<String> = Absent,
        /// How to reach a store that speaks S3's protocol.
        s3: HistoryS3Section = "{}",
        /// How often windows that were read are stored, 1 s to 1 h: a file for each agent and table each time.
        flush_interval: Duration = "5m",
        /// Windows that are stored at once, 100 to 1000000, also before that; they are held in memory, some KiB each.
        flush_windows: u32 = "20000",
        /// How long windows are kept, 1 d or more; what is older goes by whole days. Default: for ever.
        retention: Option<Duration> = Absent,
        /// How often small files are joined, days beyond `retention` taken out, and unused files deleted, 1 s to 7 d.
        compact_interval: Duration = "1h",
        /// Most rows of a joined file, 100 to 1000000. Joining holds them in memory: 2 KiB a row of windows and instances.
        compact_rows: u32 = "50000",
        /// How many small files of a day and an agent are joined, 2 to 1000; of days that are over, any two.
        compact_files: u32 = "8",
        /// How long files are left alone that are no part of the history any more, or not yet, 1 s to 7 d: longer than any
        /// query, and than storing at once takes.
        grace: Duration = "1h",
    }

    /// How to reach a store that speaks S3's protocol. What is not set is taken from the environment: `AWS_ENDPOINT`,
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, or the role of the machine.
    HistoryS3Section {
        /// Address of the store, `http://…` or `https://…`, where it is not AWS.
        endpoint: Option<String> = Absent,
        /// The region.
        region: Option<String> = Absent,
        /// Id of the access key; needs `secret_access_key_file`.
        access_key_id: Option<String> = Absent,
        /// File that holds the secret access key; white space at its end is not part of it.
        secret_access_key_file: Option<PathBuf> = Absent,
    }

    /// Telling people of alerts, which `tidegauge notify` does. `run` reads none of this.
    NotifySection {
        /// Consumer group; `-alertmanager` or `-webhook` is added to it. Default: `kafka.group`, and `-notify`. Another name
        /// begins anew, with the alerts that fire then.
        group: Option<String> = Absent,
        /// Address of `/livez`, `/readyz`, `/metrics` and `/status` of a notifier, such as 127.0.0.1:9466; default: nowhere.
        /// Another one than `http.listen` where both run on one machine.
        listen: Option<SocketAddr> = Absent,
        /// Alertmanager.
        alertmanager: NotifyAlertmanagerSection = "{}",
        /// Posting groups of alerts to an address.
        webhook: NotifyWebhookSection = "{}",
    }

    /// Alertmanager, one or several of a cluster.
    NotifyAlertmanagerSection {
        /// Their addresses, `http://…` or `https://…`, without `/api/v2`: every one is told, as Prometheus does it.
        urls: Vec<String> = "[]",
        /// How long one answer may take, 100 ms to 5 min.
        timeout: Duration = "5s",
        /// How often an alert that goes on firing is posted again, 1 s to 1 h.
        repost: Duration = "1m",
        /// When Alertmanager takes an alert to be over that nobody posts any more, since this process is away: at least
        /// twice `repost`, up to 1 d.
        resolve_after: Duration = "5m",
        /// Pause before a request is repeated, 10 ms to 1 min; doubled each time.
        retry_first: Duration = "500ms",
        /// The longest pause, up to 10 min.
        retry_most: Duration = "30s",
    }

    /// Posting groups of alerts to an address, signed.
    NotifyWebhookSection {
        /// The address, `http://…` or `https://…`.
        url: Option<String> = Absent,
        /// File that holds the secret for signatures: `whsec_` and base64, or any text of 16 bytes or more; white
        /// space at its end is not part of it. Default: requests are not signed.
        secret_file: Option<PathBuf> = Absent,
        /// How long one answer may take, 100 ms to 5 min.
        timeout: Duration = "10s",
        /// Pause before a request is repeated, 10 ms to 1 min; doubled each time.
        retry_first: Duration = "500ms",
        /// The longest pause, up to 10 min.
        retry_most: Duration = "30s",
        /// Labels whose values make a group, which is told together: `alertname`, `agent`, `severity`, … or a rule's own.
        group_by: Vec<String> = "[workspace, agent]",
        /// How long the first alert of a group waits for others, up to 1 h.
        group_wait: Duration = "10s",
        /// Least time between two notifications of one group, up to 1 d.
        group_interval: Duration = "1m",
        /// What goes on firing is told again after this long, 1 min to 30 d.
        repeat_interval: Duration = "4h",
    }

    /// Carrying decisions out, which `tidegauge actuate` does. `run` reads none of this.
    ActuateSection {
        /// Consumer group; `-kubernetes`, `-webhook`, `-keda` or `-dry-run` is added to it. Default: `kafka.group`,
        /// and `-actuate`. Another name begins anew, with what is valid then.
        group: Option<String> = Absent,
        /// Address of `/livez`, `/readyz`, `/metrics` and `/status` of an actuator, such as 127.0.0.1:9465; default: nowhere.
        /// Another one than `http.listen` where both run on one machine.
        listen: Option<SocketAddr> = Absent,
        /// Scaling workloads of a Kubernetes cluster.
        kubernetes: ActuateKubernetesSection = "{}",
        /// Posting decisions to an address.
        webhook: ActuateWebhookSection = "{}",
        /// Answering KEDA.
        keda: ActuateKedaSection = "{}",
    }

    /// Scaling workloads of a Kubernetes cluster, by their scale subresource.
    ActuateKubernetesSection {
        /// File that says how to reach the cluster; default: the pod's own account, or what `kubectl` would take.
        kubeconfig: Option<PathBuf> = Absent,
        /// What is scaled for whom. Decisions about others are passed over.
        workloads: Vec<WorkloadSection> = "[]",
        /// How long one answer of the API server may take, 1 s to 5 min.
        timeout: Duration = "10s",
        /// How long replicas may take to be ready before the actuation counts as partial, up to 1 h; 0s: it counts as applied
        /// once they are asked for.
        ready_timeout: Duration = "5m",
    }

    /// The workload of an agent.
    WorkloadSection {
        /// The agent.
        agent: String = Required,
        /// Its workspace.
        workspace: String = "default",
        /// The region, for policies that scale regions apart.
        region: Option<String> = Absent,
        /// `Deployment`, `StatefulSet`, `ReplicaSet`, `Rollout`, or another kind that has a scale subresource.
        kind: String = "Deployment",
        /// Group and version of its kind; default: those of the kinds above.
        api_version: Option<String> = Absent,
        /// What the API calls many of its kind, `deployments` of a `Deployment`; default: that of the kinds
        /// above, of others the kind in small letters and an s.
        plural: Option<String> = Absent,
        /// Its namespace.
        namespace: String = "default",
        /// Its name; default: the agent's.
        name: Option<String> = Absent,
    }

    /// Posting decisions to an address, signed.
    ActuateWebhookSection {
        /// The address, `http://…` or `https://…`.
        url: Option<String> = Absent,
        /// File that holds the secret for signatures: `whsec_` and base64, or any text of 16 bytes or more; white
        /// space at its end is not part of it. Default: requests are not signed.
        secret_file: Option<PathBuf> = Absent,
        /// How long one answer may take, 100 ms to 5 min.
        timeout: Duration = "10s",
        /// Pause before a request is repeated, 10 ms to 1 min; doubled each time.
        retry_first: Duration = "500ms",
        /// The longest pause, up to 10 min. Nothing is repeated once the decision has expired.
        retry_most: Duration = "30s",
    }

    /// Answering KEDA, as an external scaler.
    ActuateKedaSection {
        /// Address of the gRPC endpoint. It asks nobody for a password, and tells how many instances there should be.
        listen: SocketAddr = "127.0.0.1:9443",
    }
}

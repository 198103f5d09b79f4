//! What workers say, and what follows from it.

use super::*;

const STAGES: &[(&str, usize)] = &[("aggregate", 1), ("decide", 1)];

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: "shuffle".into(), partition }
}

/// A process whose workers are members and have a partition each.
fn running() -> (Health, WorkerHealth) {
    let health = Health::new(STAGES);
    for (stage, _) in STAGES {
        health.worker(stage, 0).joining();
        health.worker(stage, 0).assigned(1);
    }
    let decide = health.worker("decide", 0);
    (health, decide)
}

fn in_s(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[test]
fn a_worker_that_has_not_joined_is_named() {
    let health = Health::new(STAGES);
    assert_eq!(health.not_ready(in_s(0)), ["aggregate-0 has not started", "decide-0 has not started"]);
    health.worker("aggregate", 0).running(); // A member, without partitions: there are fewer than workers.
    health.worker("decide", 0).joining();
    assert_eq!(health.not_ready(in_s(0)), ["decide-0 has not joined its group"]);
    health.worker("decide", 0).assigned(2);
    assert_eq!(health.not_ready(in_s(0)), [""; 0]);
}

#[test]
fn trouble_is_told_until_the_worker_is_a_member_again() {
    let (health, decide) = running();
    decide.trouble("the producer was fenced");
    assert_eq!(health.not_ready(in_s(0)), ["decide-0 starts anew: the producer was fenced"]);
    decide.joining();
    let again = "decide-0 has not joined its group (start 2, after: the producer was fenced)";
    assert_eq!(health.not_ready(in_s(0)), [again]);
    decide.assigned(1);
    assert_eq!(health.not_ready(in_s(0)), [""; 0]);
    decide.committed(Duration::ZERO, 0, 0);
    assert_eq!(health.status().workers[1].trouble, None, "forgotten with the first commit");
    assert_eq!(health.status().workers[1].restarts, 1);
}

#[test]
fn without_a_commit_for_10_s_it_is_not_ready_unless_there_is_nothing_to_commit() {
    let (health, decide) = running();
    health.worker("aggregate", 0).revoked(1);
    assert_eq!(health.not_ready(in_s(9)), [""; 0]);
    decide.aborted("a rebalance");
    let reasons = health.not_ready(in_s(12));
    assert!(reasons.len() == 1 && reasons[0].starts_with("decide-0 has committed nothing for 1"), "{reasons:?}");
    assert!(reasons[0].ends_with("last abort: a rebalance"), "{reasons:?}");
}

#[test]
fn state_that_is_rebuilt_is_named_and_no_commit_is_due_meanwhile() {
    let (health, decide) = running();
    health.worker("aggregate", 0).revoked(1);
    decide.restoring(&at(3));
    let reasons = health.not_ready(in_s(30));
    assert!(
        reasons.len() == 1 && reasons[0].starts_with("decide-0 rebuilds the state of shuffle[3] for"),
        "{reasons:?}"
    );
    decide.restored(&at(3), Duration::from_secs(1), 100);
    assert_eq!(health.not_ready(in_s(9)), [""; 0]);
}

#[test]
fn memory_and_stopping_are_reasons() {
    let (health, _) = running();
    health.memory(3 << 30, 2 << 30);
    let reasons = health.not_ready(in_s(0));
    assert!(reasons.len() == 1 && reasons[0].contains("3.0 GiB is over the limit of 2.0 GiB"), "{reasons:?}");
    health.memory(2 << 30, 2 << 30);
    health.stopping();
    assert_eq!(health.not_ready(in_s(0)), ["the process is stopping"]);
}

#[test]
fn h2_only_silence_is_deadly() {
    let (health, decide) = running();
    decide.trouble("no broker answers");
    assert!(health.is_alive(in_s(59)));
    assert!(!health.is_alive(in_s(62)));
    health.worker("aggregate", 0).stopped();
    let silent = health.silent(in_s(62));
    assert!(silent.len() == 1 && silent[0].starts_with("decide-0 has given no sign of life for 6"), "{silent:?}");
    decide.stopped();
    assert!(health.is_alive(in_s(1_000)), "who has stopped need not speak");
}

#[test]
fn h3_series_of_a_lost_partition_disappear() {
    let (health, decide) = running();
    let watermark = Some(wall_clock().minus(Duration::from_secs(30)));
    let progress = Progress { next_offset: 5, end_offset: Some(12), watermark, ..Progress::default() };
    decide.progress(&at(3), progress.clone());
    decide.progress(&at(4), progress);
    decide.paused(&at(4), true);
    let lag = |partition| {
        format!("tidegauge_partition_lag_records{{stage=\"decide\",topic=\"shuffle\",partition=\"{partition}\"}} 7\n")
    };
    let text = health.gauges();
    assert!(text.contains(&lag(3)) && text.contains(&lag(4)), "{text}");
    assert!(text.contains("tidegauge_paused_partitions{stage=\"decide\"} 1\n"), "{text}");
    assert!(text.contains("tidegauge_watermark_delay_seconds{topic=\"shuffle\",partition=\"3\"} 30"), "{text}");
    decide.lost(&at(4));
    let text = health.gauges();
    assert!(text.contains(&lag(3)) && !text.contains("partition=\"4\""), "{text}");
    assert!(text.contains("tidegauge_paused_partitions{stage=\"decide\"} 0\n"), "{text}");
    decide.trouble("away");
    assert!(!health.gauges().contains("partition="), "a worker that is built anew has none");
}

#[test]
fn a_refused_reload_is_shown_and_leaves_the_process_ready() {
    let (health, _) = running();
    health.control(ControlStatus::Refused("policy p: version 3 with another hash".into()));
    let status = health.status();
    assert!(status.ready);
    assert_eq!(status.reload.map(|reload| reload.outcome), Some("refused"));
}

#[test]
fn an_age_of_state_grows_while_nobody_speaks() {
    let (health, decide) = running();
    let state_age = Some(Duration::from_secs(40));
    decide.progress(&at(0), Progress { state_age, ..Progress::default() });
    let shared = health.state();
    let age = |now| Status::of(&shared, now, wall_clock()).workers[1].partitions[0].state_age_s.unwrap_or_default();
    assert!((40.0..41.0).contains(&age(in_s(0))) && (50.0..51.0).contains(&age(in_s(10))));
}

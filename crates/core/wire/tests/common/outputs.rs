//! One output of each kind, with every field set to something that is its own.

use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{
    Action, AlertFinding, AlertState, AlertTransition, Alternative, Cause, CauseCode, Choice, Completeness, Confidence,
    Constraint, Counterfactual, Decision, DistributionSummary, Edition, Entity, EventTime, Evidence, Factor, Finding,
    FindingKind, FindingState, GaugeSummary, Importance, InstanceState, KeyShare, KeyShares, Mode, Plan, PlanKind,
    ReasonCode, Recommendation, Regret, RequestAdvice, ResourceSaturation, ScalingAction, ScalingEvent, ScalingState,
    Severity, SignalReading, Target, TimeRange, Weights, WindowSummary,
};

fn target() -> Target {
    Target { workspace: "acme".into(), agent: "planner".into(), region: Some("eu-west-1".into()) }
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_micros(1_767_225_600_000_000 + seconds * 1_000_000 + 250)
}

pub(crate) fn window() -> WindowSummary {
    let gauge = |x: f64| GaugeSummary {
        count: 6,
        sum: x,
        min: x / 8.0,
        max: x / 2.0,
        mean: x / 6.0,
        variance: 0.25,
        last: x / 4.0,
    };
    let latency = DistributionSummary {
        count: 600,
        sum: 30_000.0,
        min: 1.0,
        max: 900.5,
        mean: 50.0,
        variance: 2.25,
        p50: 40.0,
        p75: 60.0,
        p90: 90.0,
        p95: 120.0,
        p99: 400.0,
        p999: 900.0,
        relative_error: 0.005_416,
        trusted_quantile: 0.99,
    };
    WindowSummary {
        target: target(),
        instance: Some("planner-1".into()),
        entity: None,
        range: TimeRange { start: at(0), end: at(60) },
        slide: Duration::from_secs(10),
        edition: Edition::ONLY,
        samples: 6,
        last_at: at(57),
        state: Some(InstanceState::Draining),
        ready_at: Some(at(-100)),
        attributes: [
            (tidegauge_model::Attribute::Region, "eu-west-1".into()),
            (tidegauge_model::Attribute::Version, "1.4.2".into()),
        ]
        .into(),
        instances_ready: Some(4),
        instances_present: Some(5),
        completeness: Completeness {
            ratio: 0.75,
            sources_ratio: 1.0,
            instances_ratio: 0.75,
            instances_expected: 4,
            instances_reported: 3,
        },
        gauges: BTreeMap::from([("cpu_used_cores".into(), gauge(3.0)), ("fan_rpm".into(), gauge(900.0))]),
        latencies: BTreeMap::from([("response_time_ms".into(), latency)]),
        error_rate: Some(0.02),
        availability: Some(0.98),
        saturation: BTreeMap::from([(
            "cpu".into(),
            ResourceSaturation { share: 0.5, count: 6, utilization_only: true },
        )]),
        sketches: [("response_time_ms".into(), vec![1, 2, 0xff].into())].into(),
        top_keys: Some(KeyShares {
            keys: vec![KeyShare { key: "tenant-7".into(), share_lower: 0.5, share_upper: 0.625 }],
            others_share_upper: 0.125,
        }),
    }
}

pub(crate) fn decision() -> Decision {
    let signal = |name: &str, value: Option<f64>| SignalReading {
        name: name.to_owned(),
        value,
        objective: 0.7,
        samples: 600,
        instances: 4,
        wish_instances: value.map(|_| 6),
        problem: value.is_none().then(|| "no instance reports it".to_owned()),
    };
    Decision {
        id: "00112233445566778899aabbccddeeff".to_owned(),
        target: target(),
        generation: 7,
        policy: "web".to_owned(),
        policy_version: 3,
        policy_hash: "ab".repeat(32),
        mode: Mode::Shadow,
        action: Action::ScaleUp,
        current_instances: 4,
        desired_instances: 6,
        unlimited_desired_instances: 9,
        min_instances: 2,
        max_instances: 40,
        reasons: vec![ReasonCode::AboveObjective, ReasonCode::ScaleUpLimit, ReasonCode::Renewed],
        signals: vec![signal("cpu", Some(0.95)), signal("p95", None)],
        constraints: vec![Constraint {
            reason: ReasonCode::ScaleUpLimit,
            from_instances: 9,
            to_instances: 6,
            detail: "50 % a minute".to_owned(),
        }],
        binding: Some(ReasonCode::ScaleUpLimit),
        counterfactual: Some(Counterfactual {
            signal: None,
            value: None,
            rule: Some(ReasonCode::ScaleUpLimit),
            desired_instances: 9,
        }),
        alternatives: vec![Alternative {
            name: "hold".to_owned(),
            instances: 4,
            load_ratio: Some(1.36),
            cost_per_hour: None,
            late_share: Some(0.25),
            shortfall_share: Some(0.0625),
        }],
        factors: vec![Factor {
            name: "predicted_load".to_owned(),
            wish_instances: Some(8),
            urgency: Some(0.5),
            margin: Some(-0.25),
            confidence: 0.9,
            detail: "cpu is forecast to need 8".to_owned(),
        }],
        choice: Some(Choice {
            weights: Weights { cost: 0.5, performance: 0.25, availability: 0.25, efficiency: 0.0 },
            chosen: Some("resize to large".to_owned()),
            plans: vec![Plan {
                name: "resize to large".to_owned(),
                kind: PlanKind::Resize,
                instances: 3,
                size: Some("large".to_owned()),
                region: None,
                cost_per_hour: Some(0.75),
                response_time_ms: None,
                load_ratio: Some(0.5),
                load_ratio_without_one: Some(0.75),
                performance_ratio: Some(0.625),
                slo_risk: Some(0.125),
                score: Some(0.875),
                is_unbeaten: true,
                problem: None,
            }],
        }),
        recommendation: Some(Recommendation {
            kind: PlanKind::Resize,
            instances: 3,
            size: Some("large".to_owned()),
            cpu_cores: Some(8.0),
            memory_bytes: Some(16e9),
            region: None,
            cost_per_hour: Some(0.75),
            slo_risk: Some(0.125),
            reasons: vec!["resize to large scores 0.88, hold 0.80".to_owned()],
        }),
        requests: vec![RequestAdvice {
            resource: "cpu".to_owned(),
            lower: 0.5,
            target: 0.75,
            upper: 1.25,
            now: Some(2.0),
            instances: 4,
            detail: "p50, p90 and p95 of 4 instances, and 15 %".to_owned(),
        }],
        regret: Some(Regret {
            compared_s: 3_600.0,
            late_s: 20.0,
            late_s_live: 80.0,
            instance_hours: 5.5,
            instance_hours_live: 4.25,
        }),
        completeness: 0.97,
        confidence: Some(0.5),
        explanation: "cpu 0.95 is over 0.70".to_owned(),
        window: TimeRange { start: at(0), end: at(60) },
        decided_at: at(60),
        first_decided_at: at(50),
        not_before: at(61),
        expires_at: at(360),
    }
}

pub(crate) fn alert() -> AlertTransition {
    AlertTransition {
        fingerprint: "f00dfeed".to_owned(),
        rule: "high_cpu".to_owned(),
        target: target(),
        instance: Some("planner-1".into()),
        finding: Some(AlertFinding {
            id: "hotspot:1".to_owned(),
            kind: "hotspot".to_owned(),
            entity: "w/a".to_owned(),
        }),
        severity: Severity::Critical,
        importance: Importance::High,
        from: AlertState::Pending,
        to: AlertState::Firing,
        no_data: true,
        value: Some(0.95),
        threshold: 0.9,
        started_at: at(0),
        at: at(60),
        completeness: 1.0,
        summary: "CPU above 90 % for 5 min".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "core".to_owned())]),
        annotations: BTreeMap::from([("help".to_owned(), "look".to_owned())]),
        runbook_url: Some("https://example.com/high_cpu".to_owned()),
        silenced_by: vec!["night".to_owned()],
        inhibited_by: vec!["beef".to_owned()],
    }
}

pub(crate) fn finding() -> Finding {
    let entity = Entity::Instance { target: target(), instance: "planner-1".into() };
    Finding {
        id: tidegauge_model::finding_id(FindingKind::Hotspot, &entity, at(0)),
        kind: FindingKind::Hotspot,
        entity,
        onset: at(0),
        window: TimeRange { start: at(120), end: at(180) },
        state: FindingState::Open,
        severity: Severity::Critical,
        value: 0.95,
        unit: "load".into(),
        evidence: vec![Evidence { name: "times_median".into(), value: 1.9, unit: "ratio".into() }],
        confidence: Confidence { value: 0.98, meaning: "share of instances that were measured".into() },
        causes: vec![Cause { code: CauseCode::SlowInstance, strength: 0.4, detail: "service takes 1.9 times".into() }],
        remedies: vec!["drain it and replace it".into()],
        completeness: 1.0,
        summary: "planner-1 carries 0.950, 1.9 times the median".to_owned(),
    }
}

pub(crate) fn scaling_event() -> ScalingEvent {
    ScalingEvent {
        id: "planner-7".to_owned(),
        decision_id: Some("00112233445566778899aabbccddeeff".to_owned()),
        generation: Some(7),
        target: target(),
        trigger_type: Some("decision".to_owned()),
        trigger_metric: Some("cpu_utilization_of_request".to_owned()),
        trigger_value: Some(0.95),
        action: ScalingAction::ScaleUp,
        instances_before: Some(4),
        instances_after: Some(6),
        state: ScalingState::Partial,
        state_at: at(70),
        accepted_at: Some(at(61)),
        started_at: Some(at(62)),
        completed_at: Some(at(70)),
        success: Some(false),
        error: Some("no room for more than 6".to_owned()),
        actuator: Some("keda".to_owned()),
    }
}

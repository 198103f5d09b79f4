//! The formulas against examples worked by hand, naive references, and what has to hold of all of them.

use proptest::prelude::*;
use tidegauge_queueing::staffing::{Of, Slo, beta_for, delay_at, least_servers, square_root};
use tidegauge_queueing::{Demand, Queue, QueueingError, erlang_b, erlang_c};

fn demand(arrival_per_s: f64, service_time_s: f64) -> Demand {
    Demand::new(arrival_per_s, service_time_s).expect("in its domain")
}

fn queue(demand: Demand, servers: u32) -> Queue {
    Queue::new(demand, servers).expect("below capacity")
}

fn close(got: f64, want: f64, within: f64) -> bool {
    (got - want).abs() <= within * (1.0 + want.abs())
}

/// One server, λ = 0.8, s = 1: C = 0.8, W̄ = 0.8/0.2 = 4, and the response time is exponential of rate 0.2.
#[test]
fn one_server_worked_by_hand() {
    let queue = queue(demand(0.8, 1.0), 1);
    assert!(close(queue.utilization(), 0.8, 1e-15));
    assert!(close(queue.waiting_probability(), 0.8, 1e-15));
    assert!(close(queue.mean_wait_s(), 4.0, 1e-14));
    assert!(close(queue.mean_response_s(), 5.0, 1e-14));
    assert!(close(queue.mean_waiting(), 3.2, 1e-14), "Little: 0.8 · 4");
    for t in [0.0, 0.5, 3.0, 20.0] {
        let tail = f64::exp(-0.2 * t);
        assert!(queue.wait_exceeds(t).is_ok_and(|got| close(got, 0.8 * tail, 1e-14)), "{t}");
        assert!(queue.response_exceeds(t).is_ok_and(|got| close(got, tail, 1e-14)), "{t}");
    }
    // 0.8·e^{−0.2·t} = 0.05: t = ln(16)/0.2. Half of 0.8 wait less than ln(1.6)/0.2; 10 % do not wait at all.
    assert!(queue.wait_quantile_s(0.95).is_ok_and(|got| close(got, 16.0_f64.ln() / 0.2, 1e-14)));
    assert_eq!(queue.wait_quantile_s(0.1), Ok(0.0));
}

/// Two servers, A = 1, s = 1: C = 1/3, rate 1; (2/3)·e^{−t} + (1/3)·(1 + t)·e^{−t} is the response's tail.
#[test]
fn two_servers_worked_by_hand() {
    let queue = queue(demand(1.0, 1.0), 2);
    assert!(close(queue.mean_wait_s(), 1.0 / 3.0, 1e-15));
    let want = (-2.0_f64).exp() * (2.0 / 3.0 + 3.0 / 3.0);
    assert!(queue.response_exceeds(2.0).is_ok_and(|got| close(got, want, 1e-15)));
}

/// M/D/1 waits half as long as M/M/1, exactly (Pollaczek and Khinchine); Allen and Cunneen say the same.
#[test]
fn variation_scales_the_wait() {
    let clockwork = |arrival_cv, service_cv| {
        queue(demand(0.8, 1.0).with_variation(arrival_cv, service_cv).expect("in its domain"), 1)
    };
    assert!(close(clockwork(1.0, 0.0).mean_wait_s(), 2.0, 1e-14));
    assert!(close(clockwork(1.0, 2.0).mean_wait_s(), 10.0, 1e-14), "(1 + 4)/2 = 2.5 times 4");
    let neither = clockwork(0.0, 0.0);
    assert_eq!((neither.mean_wait_s(), neither.waiting_probability(), neither.wait_exceeds(0.0)), (0.0, 0.0, Ok(0.0)));
    assert_eq!((neither.response_exceeds(0.99), neither.response_exceeds(1.0)), (Ok(1.0), Ok(0.0)));
}

/// **Q1**: at the corners of the domain too, where rates are as great as numbers get.
#[test]
fn q1_corners_are_numbers() {
    for service in [1e-9, 1.0, 1e9] {
        for (arrival_cv, service_cv) in [(1.0, 0.0), (0.0, 1e-160), (1e-160, 0.0), (0.0, 0.0), (1e3, 1e3), (0.0, 1e3)] {
            let demand = demand(0.999_999 / service, service).with_variation(arrival_cv, service_cv).expect("fits");
            let queue = queue(demand, 1);
            for t in [0.0, service, 1e300] {
                for share in [queue.wait_exceeds(t), queue.response_exceeds(t)] {
                    let share = share.expect("fits");
                    assert!((0.0..=1.0).contains(&share), "{service} {arrival_cv} {service_cv} {t}: {share}");
                }
            }
            assert!(queue.mean_wait_s().is_finite() && queue.wait_quantile_s(0.999).is_ok_and(f64::is_finite));
        }
    }
    // Clockwork service at its very end: only those that waited are not done.
    let queue = queue(demand(0.8, 1.0).with_variation(1.0, 0.0).expect("fits"), 1);
    assert!(queue.response_exceeds(1.0).is_ok_and(|got| close(got, 0.8, 1e-15)));
}

#[test]
fn least_servers_worked_by_hand() {
    let slo = |of, within_s, late| Slo::new(of, within_s, late).expect("in its domain");
    #[rustfmt::skip]
    let cases = [ // λ, s, of, within, late, want
        // B is 1/5, 1/16, 1/65 of 2, 3, 4 servers at one erlang, so that C is 1/3, 1/11, 1/49.
        (1.0, 1.0, Of::Waiting, 0.0, 0.34, Ok(2)),
        (1.0, 1.0, Of::Waiting, 0.0, 0.33, Ok(3)),
        (1.0, 1.0, Of::Waiting, 0.0, 0.09, Ok(4)),
        // 0.8·e^{−0.2t} at one server: at 15 s 0.0398, at 10 s 0.108.
        (0.8, 1.0, Of::Waiting, 15.0, 0.04, Ok(1)),
        (0.8, 1.0, Of::Waiting, 10.0, 0.04, Ok(2)),
        // Serving alone exceeds 1 s in e^{−1} = 0.368 of all cases.
        (0.8, 1.0, Of::Response, 1.0, 0.30, Err(QueueingError::Unreachable { share: (-1.0_f64).exp() })),
        (0.0, 1.0, Of::Response, 5.0, 0.01, Ok(1)),
        (90.0, 1.0, Of::Waiting, 1.0, 0.01, Err(QueueingError::TooMany { max_servers: 90 })),
    ];
    for (arrival, service, of, within_s, late, want) in cases {
        let got = least_servers(demand(arrival, service), slo(of, within_s, late), 90);
        assert_eq!(got, want, "λ {arrival}, {of:?} {within_s} s, {late}");
    }
}

#[test]
fn the_square_root_rule() {
    assert_eq!(square_root(100.0, 1.0), Ok(110));
    assert_eq!(square_root(100.0, 0.05), Ok(101), "one above the load at least");
    assert_eq!(square_root(0.0, 1.0), Ok(1));
    // Φ(1) = 0.841345, φ(1) = 0.241971: 1/(1 + 3.47704).
    assert!(delay_at(1.0).is_ok_and(|got| close(got, 0.223_361, 1e-6)), "{:?}", delay_at(1.0));
    assert_eq!(delay_at(40.0), Ok(0.0));
    for waiting in [0.9, 0.5, 0.2, 0.01, 1e-6] {
        let back = beta_for(waiting).and_then(delay_at);
        assert!(back.is_ok_and(|got| close(got / waiting, 1.0, 1e-9)), "{waiting}: {back:?}");
    }
    // The limit is near for thousands of servers.
    for beta in [0.2, 1.0, 2.0] {
        let (offered, limit) = (10_000.0, delay_at(beta).expect("in its domain"));
        let got = erlang_c(square_root(offered, beta).expect("a count"), offered).expect("below capacity");
        assert!((got / limit - 1.0).abs() < 0.03, "{beta}: {got} {limit}");
    }
}

#[test]
fn what_is_out_of_domain_is_said() {
    let queue = queue(demand(0.8, 1.0), 1);
    assert!(queue.wait_exceeds(-1.0).is_err() && queue.response_exceeds(f64::NAN).is_err());
    for share in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(Slo::new(Of::Waiting, 1.0, share).is_err() && beta_for(share).is_err(), "{share}");
        assert!(queue.wait_quantile_s(share).is_err(), "{share}");
    }
    assert!(Slo::new(Of::Waiting, f64::INFINITY, 0.1).is_err());
    let error = Queue::new(demand(3.0, 1.0), 3).expect_err("not below capacity");
    assert_eq!(error.to_string(), "3 servers cannot keep up with 3.00 servers' work");
}

/// `1/B = Σⱼ c·(c−1)⋯(c−j+1)/Aʲ`, added term by term.
fn blocked_by_sum(servers: u32, offered: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for j in 0..servers {
        term *= f64::from(servers - j) / offered;
        sum += term;
    }
    1.0 / sum
}

/// `C` from the probabilities of each number of tasks: those below `c` each, and the geometric rest.
fn waits_by_sum(servers: u32, offered: f64) -> f64 {
    let (mut term, mut below) = (1.0, 0.0);
    for j in 0..servers {
        below += term;
        term *= offered / f64::from(j + 1);
    }
    let rest = term / (1.0 - offered / f64::from(servers));
    rest / (below + rest)
}

/// `P(W + S > t)` of exponential service by Simpson's rule over the service time.
fn response_by_integral(queue: &Queue, service_time_s: f64, t: f64) -> f64 {
    let f = |x: f64| {
        let density = (-x / service_time_s).exp() / service_time_s;
        density * queue.wait_exceeds((t - x).max(0.0)).expect("in its domain")
    };
    let steps = 2_000;
    let h = t / f64::from(steps);
    let weight = |i: i32| {
        if i == 0 || i == steps {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    let integral: f64 = (0..=steps).map(|i| weight(i) * f(f64::from(i) * h)).sum::<f64>() * h / 3.0;
    (-t / service_time_s).exp() + integral
}

/// **Q3**: the recurrence and the sums agree far beyond where factorials end.
#[test]
fn thousands_of_servers_are_like_few() {
    for (servers, offered) in [(200, 180.0), (5_000, 4_900.0), (20_000, 20_500.0), (100_000, 99_000.0)] {
        let got = erlang_b(servers, offered).expect("in its domain");
        let want = blocked_by_sum(servers, offered);
        assert!((got / want - 1.0).abs() < 1e-9, "{servers} {offered}: {got} {want}");
    }
    let demand = demand(200_000.0, 1.0);
    let servers = least_servers(demand, Slo::new(Of::Waiting, 0.001, 0.01).expect("in its domain"), 1_000_000);
    let servers = servers.expect("there are enough");
    assert!((200_100..202_000).contains(&servers), "{servers}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_recurrence_is_the_sum(servers in 1_u32..150, share in 0.01_f64..0.999) {
        let offered = share * f64::from(servers);
        let got = (erlang_b(servers, offered).expect("fits"), erlang_c(servers, offered).expect("fits"));
        prop_assert!(close(got.0, blocked_by_sum(servers, offered), 1e-11));
        prop_assert!(close(got.1, waits_by_sum(servers, offered), 1e-9));
    }

    /// **Q1**, **Q2**: probabilities, and one more server never makes anybody wait longer.
    #[test]
    fn more_servers_wait_less(
        servers in 1_u32..300, share in 0.0_f64..0.999, s in 0.001_f64..10.0, t in 0.0_f64..20.0,
        arrival_cv in 0.0_f64..3.0, service_cv in 0.0_f64..6.0,
    ) {
        let offered = share * f64::from(servers);
        let demand = demand(offered / s, s).with_variation(arrival_cv, service_cv).expect("in its domain");
        let all = |servers| {
            let queue = queue(demand, servers);
            [
                queue.utilization(),
                queue.waiting_probability(),
                queue.wait_exceeds(t).expect("fits"),
                queue.response_exceeds(t).expect("fits"),
                queue.mean_wait_s(),
                queue.wait_quantile_s(0.95).expect("fits"),
            ]
        };
        let (fewer, more) = (all(servers), all(servers + 1));
        for (index, (fewer, more)) in fewer.into_iter().zip(more).enumerate() {
            prop_assert!(fewer.is_finite() && fewer >= 0.0 && (index > 3 || fewer <= 1.0), "{index}: {fewer}");
            prop_assert!(more <= fewer + 1e-12, "{index}: {fewer} {more}");
        }
        // A response is no shorter than its wait, and a tail falls.
        prop_assert!(fewer[2] <= fewer[3] + 1e-12);
        let queue = queue(demand, servers);
        let later = queue.response_exceeds(t + 1.0).expect("fits");
        prop_assert!(later <= fewer[3] + 1e-12);
    }

    #[test]
    fn the_response_is_the_integral(servers in 1_u32..40, share in 0.05_f64..0.98, s in 0.05_f64..2.0, t in 0.01_f64..8.0) {
        let demand = demand(share * f64::from(servers) / s, s);
        let queue = queue(demand, servers);
        let got = queue.response_exceeds(t).expect("fits");
        prop_assert!((got - response_by_integral(&queue, s, t)).abs() < 1e-6);
    }

    /// **Q5**: it meets the objective, and one server fewer does not, by asking each count anew.
    #[test]
    fn the_least_is_the_least(
        arrival in 0.0_f64..60.0, s in 0.01_f64..2.0, within in 0.0_f64..4.0, late in 0.001_f64..0.5,
        arrival_cv in 0.0_f64..2.0, service_cv in 0.0_f64..3.0, response in any::<bool>(),
    ) {
        let demand = demand(arrival, s).with_variation(arrival_cv, service_cv).expect("in its domain");
        let slo = Slo::new(if response { Of::Response } else { Of::Waiting }, within, late).expect("in its domain");
        let meets = |servers| Queue::new(demand, servers).is_ok_and(|queue| slo.is_met(&queue));
        match least_servers(demand, slo, 400) {
            Ok(servers) => {
                let naive = (1..=400).find(|&servers| meets(servers));
                prop_assert_eq!(Some(servers), naive);
            }
            Err(QueueingError::Unreachable { share }) => prop_assert!(share > late && !meets(400)),
            Err(error) => prop_assert!(!meets(400), "{}", error),
        }
    }
}

//! Goldens of whole pictures, as text (`just bless` accepts new ones), and what must hold for all of them.

use std::collections::VecDeque;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::{ViewState, draw};
use crate::demo::model::{Agent, Alert, Counts, Decision, Snapshot};

const NARROW: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (200, 50);

fn drawn(snapshot: &Snapshot, state: &ViewState, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| draw(frame, snapshot, state)).expect("memory can be written");
    terminal.backend().buffer().clone()
}

fn text(snapshot: &Snapshot, state: &ViewState, size: (u16, u16)) -> String {
    let buffer = drawn(snapshot, state, size);
    // After a wide character comes a cell that no terminal shows.
    let row = |y| {
        let mut x = 0;
        let mut row = String::new();
        while x < size.0 {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += super::text::width(symbol).max(1) as u16;
        }
        row
    };
    (0..size.1).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

fn check(name: &str, snapshot: &Snapshot, state: &ViewState, size: (u16, u16)) {
    let picture = text(snapshot, state, size);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), picture);
    });
}

/// An agent two minutes into the demo, whose load has risen; what followed depends on `place`.
fn agent(name: &str, place: usize) -> Agent {
    let points = |value: fn(f64, f64) -> f64| (0..125).map(|second| value(f64::from(second), place as f64)).collect();
    Agent {
        name: name.to_owned(),
        load_rps: points(|second, place| 400.0 + 80.0 * place + 9.0 * (second - 60.0 - 10.0 * place).max(0.0)),
        utilization: points(|second, place| match second {
            _ if second < 60.0 + 10.0 * place => 0.68,
            _ if second < 110.0 + 5.0 * place => (0.68 + 0.01 * (second - 60.0 - 10.0 * place)).min(1.0),
            _ => 0.62,
        }),
        p95_ms: points(|second, place| {
            120.0 + 30.0 * place + if (90.0..112.0).contains(&second) { 900.0 } else { 0.0 }
        }),
        ready: points(|second, place| if second < 110.0 + 5.0 * place { 4.0 } else { 6.0 }),
        desired: points(|second, place| if second < 95.0 + 8.0 * place { 4.0 } else { 6.0 }),
        objective: 0.7,
        spare_under: 0.3,
        starting: if place == 3 { 2 } else { 0 },
        failed: u32::from(place == 2),
        completeness: Some(if place == 2 { 0.83 } else { 1.0 }),
        reason: Some("hold 6: cpu 0.62 of request is between 0.30 and 0.70".to_owned()),
    }
}

fn decision(at_s: f64, agent: &str, (current, desired): (u32, u32), applied: bool) -> Decision {
    let reason = format!("utilization 0.9{} is over objective 0.70: {desired} instances bring it there", current % 10);
    Decision { at_s, agent: agent.to_owned(), current, desired, generation: 3, reason, applied }
}

fn fleet(names: &[&str]) -> Snapshot {
    let changes =
        names.iter().enumerate().map(|(place, name)| decision(95.0 + 3.0 * place as f64, name, (4, 6), place != 3));
    let alert = |rule: &str, about: &str, firing, since_s| Alert {
        rule: rule.to_owned(),
        about: about.to_owned(),
        firing,
        since_s,
    };
    Snapshot {
        elapsed_s: 124.6,
        hour: 14.34,
        preset: "balanced".to_owned(),
        actuating: true,
        agents: names.iter().enumerate().map(|(place, name)| agent(name, place)).collect(),
        decisions: std::iter::once(decision(31.0, names[0], (5, 4), true)).chain(changes).collect(),
        alerts: vec![
            alert("slow_responses", names[0], false, 110.0),
            alert("high_utilization", names[names.len() - 1], true, 92.0),
        ],
        counts: Counts {
            samples: 12_345,
            windows: 496,
            decisions: 128,
            scaled_up: 3,
            scaled_down: 1,
            alerts: 5,
            dead_letters: 3,
            late: 0,
        },
        notice: None,
    }
}

const FOUR: [&str; 4] = ["coder", "planner", "retriever", "summarizer"];
const NINE: [&str; 9] =
    ["coder", "critic", "embedder", "planner", "ranker", "retriever", "router", "summarizer", "translator"];

#[test]
fn four_agents() {
    let state = ViewState { selected: 3, colours: true, help: false };
    for size in [NARROW, (120, 40), WIDE] {
        check("four_agents", &fleet(&FOUR), &state, size);
    }
}

#[test]
fn one_agent() {
    for size in [NARROW, WIDE] {
        check("one_agent", &fleet(&FOUR[..1]), &ViewState::default(), size);
    }
}

#[test]
fn nine_agents() {
    for size in [NARROW, WIDE] {
        check("nine_agents", &fleet(&NINE), &ViewState { selected: 8, ..ViewState::default() }, size);
    }
}

/// More than there is room for: those around the selected one are shown.
#[test]
fn thirty_agents() {
    let names: Vec<String> = (0..30).map(|place| format!("agent-{place:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = |selected| text(&fleet(&names), &ViewState { selected, ..ViewState::default() }, NARROW);
    for (selected, shown, hidden) in
        [(0, "▸ agent-00", "agent-29"), (29, "▸ agent-29", "agent-00"), (99, "▸ agent-29", "agent-00")]
    {
        let picture = of(selected);
        let table = picture.split("── decisions").next().expect("a part before the decisions");
        assert!(table.contains(shown) && !table.contains(hidden), "{selected} of 30:\n{picture}");
    }
}

#[test]
fn before_anything_is_known() {
    for size in [NARROW, WIDE] {
        check("empty", &Snapshot::default(), &ViewState::default(), size);
    }
    let agents = FOUR.iter().map(|name| Agent { name: (*name).to_owned(), ..Agent::default() }).collect();
    check("no_data_yet", &Snapshot { agents, actuating: true, ..Snapshot::default() }, &ViewState::default(), NARROW);
}

#[test]
fn long_and_odd_names() {
    let names = [
        "the-agent-that-summarizes-all-that-the-other-agents-have-said-to-one-another",
        "名前の長いエージェントがここにいます",
        "tab\tand\u{1b}[31mescape",
        "",
    ];
    let mut snapshot = fleet(&names);
    snapshot.preset = "a-preset-with-a-very-long-name".to_owned();
    snapshot.notice = Some("a burst on ".to_owned() + names[0] + &", three times its load, for 20 s".repeat(4));
    snapshot.agents[0].reason = Some("a reason that does not end ".repeat(20));
    snapshot.agents[1].load_rps.push_back(1e12);
    snapshot.agents[1].utilization.push_back(f64::NAN);
    snapshot.agents[2].p95_ms.push_back(f64::INFINITY);
    snapshot.agents[3].ready.push_back(123_456.0);
    for size in [NARROW, WIDE] {
        check("long_names", &snapshot, &ViewState::default(), size);
    }
}

#[test]
fn help_and_what_was_done() {
    let mut snapshot = fleet(&FOUR);
    snapshot.notice = Some("a burst on coder: three times its load for 20 s".to_owned());
    check("notice", &snapshot, &ViewState::default(), NARROW);
    (snapshot.notice, snapshot.actuating) = (None, false);
    check("actuation_off", &snapshot, &ViewState::default(), NARROW);
    check("help", &snapshot, &ViewState { help: true, ..ViewState::default() }, NARROW);
}

/// V3: the text is the same, and without colours no cell has one.
#[test]
fn without_colours_the_picture_says_the_same() {
    let has_colour =
        |buffer: &Buffer| buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    let snapshot = fleet(&FOUR);
    for (size, help) in [(NARROW, false), (WIDE, false), (NARROW, true)] {
        let [with, without] = [true, false].map(|colours| ViewState { selected: 1, colours, help });
        assert_eq!(text(&snapshot, &with, size), text(&snapshot, &without, size));
        assert!(has_colour(&drawn(&snapshot, &with, size)), "colours are used when wanted");
        assert!(!has_colour(&drawn(&snapshot, &without, size)), "and not otherwise");
    }
}

/// V5: any size, also those that no terminal has.
#[test]
fn any_size_is_drawn() {
    let mut odd = fleet(&NINE);
    odd.agents[0].objective = f64::NAN;
    odd.agents[1].ready = VecDeque::from([-3.0]);
    odd.agents[2].desired = VecDeque::from([f64::MAX]);
    odd.agents[3].objective = -1.0;
    for (width, height) in (1..210).step_by(19).flat_map(|width| (1..60).step_by(2).map(move |height| (width, height)))
    {
        for snapshot in [&odd, &Snapshot::default()] {
            text(snapshot, &ViewState { selected: 3, help: height % 3 == 0, colours: true }, (width, height));
        }
    }
    let small = text(&odd, &ViewState::default(), (50, 10));
    assert!(small.contains("needs 60 columns and 16 lines"), "{small}");
}

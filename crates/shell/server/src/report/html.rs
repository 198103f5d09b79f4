//! A report as one page that needs nothing else: style and charts are in it, and no script is.

use super::chart::{Chart, Line, Mark};
use super::table::shown;
use super::{Document, Quality, number};
use std::fmt::Write as _;
use tidegauge_analytics::report::{AgentReport, Cell, FindingSpan, Point, Section, Table, Value};
use tidegauge_model::{EventTime, Severity, TimeRange};

/// Markup that was made here.
pub type Html = String;

/// Text as it may stand in markup and in attributes.
#[must_use]
pub fn escaped(text: &str) -> Html {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// A page with that title and body.
#[must_use]
pub fn page_of(title: &str, body: &str) -> Html {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escaped(title),
        include_str!("page.css"),
    )
}

/// The page of a report.
#[must_use]
pub fn report_page(document: &Document) -> Html {
    let period = document
        .agents
        .iter()
        .map(|agent| agent.period)
        .reduce(|a, b| TimeRange { start: a.start.min(b.start), end: a.end.max(b.end) });
    let mut body = format!("<h1>Fleet report</h1>\n<p class=\"soft\">{}", agents_of(document.agents.len()));
    if let Some(period) = period {
        let _ = write!(body, ", {} to {}", at(period.start), at(period.end));
    }
    let _ = writeln!(body, ", windows of {}</p>", number(document.window_s, "s"));
    body.push_str(&quality(&document.quality));
    if document.agents.len() > 1 {
        body.push_str(&overview(&document.agents));
        body.push_str(&section(&document.fleet));
    }
    for (index, agent) in document.agents.iter().enumerate() {
        body.push_str(&agent_part(index, agent));
    }
    page_of("Fleet report", &body)
}

fn agents_of(count: usize) -> String {
    if count == 1 { "One agent".to_owned() } else { format!("{count} agents") }
}

/// To the second, as one reads it.
fn at(time: EventTime) -> String {
    let text = time.to_string();
    let whole = text.split('.').next().unwrap_or(&text).trim_end_matches('Z');
    format!("{} UTC", whole.replace('T', " "))
}

fn tile(value: &str, label: &str) -> Html {
    format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escaped(value), escaped(label))
}

fn quality(quality: &Quality) -> Html {
    let counts = [
        (quality.rows, "rows read"),
        (quality.refused, "refused"),
        (quality.too_late, "too late"),
        (quality.future, "ahead of their time"),
        (quality.windows, "windows"),
    ];
    let tiles: Html = counts.iter().map(|(count, label)| tile(&number(*count as f64, ""), label)).collect();
    let first = quality.first_refused.as_ref();
    let first =
        first.map_or_else(String::new, |first| format!("<p class=\"note\">First refused: {}</p>\n", escaped(first)));
    format!(
        "<h3>Data</h3>\n<p class=\"note\">{}</p>\n<div class=\"tiles\">\n{tiles}</div>\n{first}",
        escaped(&quality.source)
    )
}

/// A measure of a section, as text; a dash where it is absent.
fn measured(agent: &AgentReport, section: &str, name: &str) -> String {
    let found = agent.section(section).and_then(|s| s.measures.iter().find(|m| m.name == name));
    let value = found.and_then(|measure| Some(shown(measure.value.as_ref().ok()?, measure.unit)));
    value.unwrap_or_else(|| "–".to_owned())
}

/// Headline measures: section, measure, label.
const HEADLINES: [(&str, &str, &str); 7] = [
    ("service", "requests_per_s", "requests offered"),
    ("service", "response_p95_ms", "p95, median window"),
    ("service", "error_rate", "error rate"),
    ("saturation", "peak_utilization", "highest peak of a resource"),
    ("load_distribution", "balance_score", "balance, of 100"),
    ("elasticity", "utilization_efficiency", "of supply was used"),
    ("cost", "cost_per_hour", "cost per hour"),
];

fn overview(agents: &[AgentReport]) -> Html {
    let mut html =
        "<h3>Agents</h3>\n<div class=\"wide\"><table><thead><tr><th>Agent</th><th class=\"n\">Findings</th>".to_owned();
    for (.., label) in HEADLINES {
        let _ = write!(html, "<th class=\"n\">{}</th>", escaped(label));
    }
    html.push_str("</tr></thead><tbody>\n");
    for (index, agent) in agents.iter().enumerate() {
        let _ = write!(
            html,
            "<tr><td><a href=\"#agent-{index}\">{}</a></td><td class=\"n\">{}</td>",
            escaped(&agent.agent),
            agent.findings.len()
        );
        for (section, name, _) in HEADLINES {
            let _ = write!(html, "<td class=\"n\">{}</td>", escaped(&measured(agent, section, name)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn agent_part(index: usize, agent: &AgentReport) -> Html {
    let mut html = format!(
        "<h2 id=\"agent-{index}\">{}</h2>\n<p class=\"soft\">{} to {}, {} windows, {} samples, {} complete</p>\n",
        escaped(&agent.agent),
        at(agent.period.start),
        at(agent.period.end),
        number(agent.windows as f64, ""),
        number(agent.samples as f64, ""),
        number(agent.completeness, "ratio"),
    );
    let tiles = HEADLINES.map(|(section, name, label)| (measured(agent, section, name), label));
    let tiles: Html = tiles.iter().filter(|(value, _)| value != "–").map(|(value, label)| tile(value, label)).collect();
    let _ = writeln!(html, "<div class=\"tiles\">\n{tiles}</div>");
    let _ = writeln!(html, "<div class=\"charts\">\n{}</div>", charts(agent));
    html.push_str(&findings(&agent.findings));
    agent.sections.iter().for_each(|each| html.push_str(&section(each)));
    html
}

/// Findings that are seen at once; the others are folded away.
const FINDINGS: usize = 12;

fn findings(spans: &[FindingSpan]) -> Html {
    if spans.is_empty() {
        return "<h3>Findings</h3>\n<p class=\"note\">None: nothing held for long enough.</p>\n".to_owned();
    }
    let (first, others) = spans.split_at(spans.len().min(FINDINGS));
    let mut html = format!("<h3>Findings</h3>\n{}", finding_table(first));
    if !others.is_empty() {
        let _ =
            writeln!(html, "<details><summary>{} more</summary>\n{}</details>", others.len(), finding_table(others));
    }
    html
}

fn finding_table(spans: &[FindingSpan]) -> Html {
    let rows = spans.iter().map(|span| {
        let class = match span.worst.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            _ => "soft",
        };
        let entity = span.worst.entity.to_string();
        let entity = entity.rsplit('/').next().unwrap_or(&entity).replacen('=', " ", 1);
        let until = span.ended_at.map_or("still there".to_owned(), in_table);
        let remedy = span.worst.remedies.first().map_or("–", |text| text.as_ref());
        format!(
            "<tr><td class=\"{class}\">{}</td><td>{}</td><td>{}</td><td>{until}</td><td>{}</td><td>{}</td></tr>\n",
            escaped(&span.worst.kind.name().replace('_', " ")),
            escaped(&entity),
            in_table(span.worst.onset),
            escaped(&span.worst.summary),
            escaped(remedy),
        )
    });
    format!(
        "<div class=\"wide\"><table><thead><tr><th>What</th><th>Of</th><th>From (UTC)</th><th>Until</th>\
         <th>Worst window</th><th>First remedy</th></tr></thead><tbody>\n{}</tbody></table></div>\n",
        rows.collect::<Html>()
    )
}

/// Month, day and time to the minute: the year is that of the period.
fn in_table(time: EventTime) -> String {
    at(time).get(5..16).unwrap_or_default().to_owned()
}

fn section(section: &Section) -> Html {
    let there: Vec<_> =
        section.measures.iter().filter_map(|measure| Some((measure, measure.value.as_ref().ok()?))).collect();
    let tables: Html = section.tables.iter().filter_map(table).collect();
    let mut html = format!("<section>\n<h3>{}</h3>\n", escaped(section.label));
    let says_something = !there.is_empty() || !tables.is_empty();
    if says_something && !section.note.is_empty() {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", escaped(section.note));
    }
    if !there.is_empty() {
        let items = there.iter().map(|(measure, value)| {
            format!(
                "<div><dt>{}</dt><dd>{}</dd></div>\n",
                escaped(measure.label),
                escaped(&of_page(value, measure.unit))
            )
        });
        let _ = writeln!(html, "<dl>\n{}</dl>", items.collect::<Html>());
    }
    html.push_str(&tables);
    html.push_str(&absent(section));
    html.push_str("</section>\n");
    html
}

fn of_page(value: &Value, unit: &str) -> String {
    match value {
        Value::At(time) => at(*time),
        other => shown(other, unit),
    }
}

fn table(table: &Table) -> Option<Html> {
    let rows = table.rows.as_ref().ok().filter(|rows| !rows.is_empty())?;
    let is_number = |column: usize| {
        let mut values = rows.iter().filter_map(|row| row.get(column)?.as_ref().ok()).peekable();
        values.peek().is_some() && values.all(|value| matches!(value, Value::Number(_) | Value::Count(_)))
    };
    let classes: Vec<&str> =
        (0..table.columns.len()).map(|at| if is_number(at) { " class=\"n\"" } else { "" }).collect();
    let heads = table.columns.iter().zip(&classes);
    let heads: Html = heads.map(|(column, class)| format!("<th{class}>{}</th>", escaped(column.label))).collect();
    let line = |row: &Vec<Cell>| {
        let cells = row.iter().zip(&table.columns).zip(&classes).map(|((cell, column), class)| match cell {
            Ok(value) => format!("<td{class}>{}</td>", escaped(&of_page(value, column.unit))),
            Err(why) => format!("<td{class} title=\"{}\">–</td>", escaped(&why.to_string())),
        });
        format!("<tr>{}</tr>\n", cells.collect::<Html>())
    };
    Some(format!(
        "<h4>{}</h4>\n<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>\n{}</tbody></table></div>\n",
        escaped(table.label),
        rows.iter().map(line).collect::<Html>()
    ))
}

/// What could not be measured, and why, folded away.
fn absent(section: &Section) -> Html {
    let measures = section.measures.iter().filter_map(|m| Some((m.label, m.value.as_ref().err()?)));
    let tables = section.tables.iter().filter_map(|t| Some((t.label, t.rows.as_ref().err()?)));
    let items: Vec<Html> = measures
        .chain(tables)
        .map(|(label, why)| format!("<li>{}: {}</li>\n", escaped(label), escaped(&why.to_string())))
        .collect();
    if items.is_empty() {
        return String::new();
    }
    format!("<details><summary>{} not measured</summary><ul>\n{}</ul></details>\n", items.len(), items.concat())
}

fn charts(agent: &AgentReport) -> Html {
    let seconds = |time: EventTime| time.as_micros() as f64 / 1e6;
    let line = |label, class, is_step, of: fn(&Point) -> Option<f64>| Line {
        label,
        class,
        is_step,
        points: with_gaps(&agent.points).map(|(at, point)| (seconds(at), point.and_then(of))).collect(),
    };
    let marks: Vec<Mark> = agent
        .findings
        .iter()
        .filter(|span| span.worst.severity >= Severity::Warning)
        .map(|span| Mark {
            from: seconds(span.worst.onset),
            to: seconds(span.ended_at.unwrap_or(agent.period.end)),
            label: format!("{}: {}", span.worst.kind.name(), span.worst.summary),
        })
        .collect();
    let of = |kinds: &[&str]| {
        let is_of = |mark: &&Mark| kinds.iter().any(|kind| mark.label.starts_with(kind));
        merged(marks.iter().filter(is_of).cloned().collect())
    };
    let chart = |title: &str, unit, lines, marks| Chart {
        title: title.to_owned(),
        unit,
        ticks: times(agent.period),
        x_label: "UTC".to_owned(),
        lines,
        marks,
        level: None,
    };
    let all = [
        chart(
            "Requests",
            "per s",
            vec![
                line("offered", 'a', false, |point| point.offered_per_s),
                line("completed", 'c', false, |point| point.completed_per_s),
            ],
            Vec::new(),
        ),
        chart("Response time, p95", "ms", vec![line("p95", 'b', false, |point| point.p95_ms)], of(&["degradation"])),
        chart(
            "Utilization of the busiest resource",
            "ratio",
            vec![line("mean over instances", 'a', false, |point| point.utilization)],
            of(&["saturation"]),
        ),
        chart(
            "Instances",
            "",
            vec![line("ready", 'a', true, |point| point.instances), line("needed", 'b', true, |point| point.demand)],
            Vec::new(),
        ),
        chart(
            "Most loaded instance above the mean",
            "ratio",
            vec![line("imbalance", 'd', false, |point| point.imbalance)],
            of(&["hotspot", "imbalance"]),
        ),
        chart("Error rate", "ratio", vec![line("errors", 'b', false, |point| point.error_rate)], Vec::new()),
    ];
    all.iter().filter_map(Chart::figure).collect()
}

/// Stretches that overlap as one: shades that lie on one another would look like a measure.
fn merged(mut marks: Vec<Mark>) -> Vec<Mark> {
    marks.sort_by(|a, b| a.from.total_cmp(&b.from));
    let mut kept: Vec<Mark> = Vec::new();
    for mark in marks {
        match kept.last_mut().filter(|last| mark.from <= last.to) {
            Some(last) => {
                last.to = last.to.max(mark.to);
                last.label = "several findings".to_owned();
            }
            None => kept.push(mark),
        }
    }
    kept
}

/// The points by the start of their windows; where windows are missing, a gap.
fn with_gaps(points: &[Point]) -> impl Iterator<Item = (EventTime, Option<&Point>)> {
    let mut before: Option<EventTime> = None;
    points.iter().flat_map(move |point| {
        let gap = before.filter(|end| *end < point.window.start).map(|end| (end, None));
        before = Some(point.window.end);
        gap.into_iter().chain([(point.window.start, Some(point))])
    })
}

/// Round times within a period, with what one says of them.
fn times(period: TimeRange) -> Vec<(f64, String)> {
    const STEPS: [i64; 14] =
        [1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000];
    let (start, end) = (period.start.as_secs(), period.end.as_secs());
    let step = STEPS.into_iter().find(|step| (end - start) / step <= 7).unwrap_or(7_776_000);
    let first = start.div_euclid(step) + i64::from(start.rem_euclid(step) != 0);
    let ticks = (first..).map(|number| number * step).take_while(|tick| *tick <= end);
    ticks
        .map(|tick| {
            let text = at(EventTime::from_secs(tick));
            let (date, time) = (text.get(5..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
            let label = if step >= 86_400 || (tick % 86_400 == 0 && end - start > 86_400) { date } else { time };
            let label = if step < 60 { text.get(11..19).unwrap_or_default() } else { label };
            (tick as f64, label.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let of = |start, length| {
            times(TimeRange { start: EventTime::from_secs(start), end: EventTime::from_secs(start + length) })
        };
        let hours: Vec<String> = of(1_767_225_600 + 600, 6 * 3_600).into_iter().map(|tick| tick.1).collect();
        assert_eq!(hours, ["01:00", "02:00", "03:00", "04:00", "05:00", "06:00"]);
        for length in [1, 59, 3_600, 86_400, 30 * 86_400, 400 * 86_400] {
            assert!(of(1_767_225_600, length).len() <= 8, "{length}");
        }
    }

    #[test]
    fn r3_nothing_of_the_data_is_markup() {
        assert_eq!(escaped("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
        let page = page_of("<b>", "");
        assert!(!page.contains("<b>") && !page.contains("http"), "the page needs nothing from elsewhere");
    }
}

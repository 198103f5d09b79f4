//! Line charts as inline SVG: colours come from the page's style, so that they follow light and dark.

use super::html::escaped;
use super::number;
use std::fmt::Write as _;

/// About the width at which a page shows two charts side by side, so that texts have the size that the style gives them.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Points of a line that are drawn; of more, the least and the greatest of each stretch.
const POINTS: usize = 700;
/// Marks whose names are written beside them; those of the others are seen by pointing at them.
const NAMED_MARKS: usize = 40;
/// Rows that the names of marks take turns in.
const NAME_ROWS: usize = 5;
/// Lines of the grid beyond the one at 0, at most; [`scale`] makes no more than six.
const GRID_LINES: usize = 10;

/// One line: (x, y) ascending in x; a gap where y is absent.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name in the legend.
    pub label: &'static str,
    /// Style of it, `a` to `d`.
    pub class: char,
    /// Steps instead of slopes.
    pub is_step: bool,
    /// Its points.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A stretch or an instant on the x axis that is marked.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Begin and end; equal for an instant.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// What it is.
    pub label: String,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// Unit of y, as in [`number`].
    pub unit: &'static str,
    /// Texts of the x axis.
    pub ticks: Vec<(f64, String)>,
    /// What x is.
    pub x_label: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// What is marked behind them.
    pub marks: Vec<Mark>,
    /// A level that is drawn as a line of its own, with its name.
    pub level: Option<(f64, &'static str)>,
}

impl Chart {
    /// The chart as SVG; `None` where no line has a point.
    #[must_use]
    pub fn svg(&self) -> Option<String> {
        let all = || self.lines.iter().flat_map(|line| line.points.iter());
        let ys = all().filter_map(|point| point.1).filter(|y| y.is_finite());
        let greatest = ys.reduce(f64::max)?;
        let level = self.level.filter(|(level, _)| level.is_finite());
        let greatest = level.map_or(greatest, |(level, _)| greatest.max(level));
        let (x_min, x_max) =
            all().map(|p| p.0).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let (step, top) = scale(greatest);
        let axes = Axes { x_min, x_max: if x_max > x_min { x_max } else { x_min + 1.0 }, top };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n<title>{}</title>\n",
            escaped(&self.described(greatest)),
            escaped(&self.title),
        );
        self.draw_grid(&mut svg, &axes, step);
        self.draw_marks(&mut svg, &axes);
        if let Some((level, label)) = level {
            let y = axes.y(level);
            let _ = write!(
                svg,
                "<line class=\"level\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                WIDTH - RIGHT - 4.0,
                y - 4.0,
                escaped(label),
            );
        }
        self.lines.iter().for_each(|line| draw_line(&mut svg, line, &axes));
        svg.push_str("</svg>");
        Some(svg)
    }

    /// The chart with title and legend, as a figure.
    #[must_use]
    pub fn figure(&self) -> Option<String> {
        let svg = self.svg()?;
        let legend: String = self
            .lines
            .iter()
            .filter(|line| line.points.iter().any(|point| point.1.is_some()))
            .map(|line| format!("<span class=\"key {}\">{}</span>", line.class, escaped(line.label)))
            .collect();
        Some(format!("<figure><figcaption><b>{}</b> {legend}</figcaption>{svg}</figure>\n", escaped(&self.title)))
    }

    fn described(&self, greatest: f64) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| line.label).collect();
        format!("{}: {}; at most {}", self.title, names.join(", "), number(greatest, self.unit))
    }

    fn draw_grid(&self, svg: &mut String, axes: &Axes, step: f64) {
        // The cast saturates, and what is no number is none.
        let lines = ((axes.top / step).round() as usize).min(GRID_LINES);
        for steps in 0..=lines {
            let level = steps as f64 * step;
            let y = axes.y(level);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                escaped(&number(level, self.unit)),
            );
        }
        for (x, text) in &self.ticks {
            let at = axes.x(*x);
            let anchor = if at > WIDTH - 60.0 { "end" } else { "middle" };
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                HEIGHT - BOTTOM + 16.0,
                escaped(text),
            );
        }
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            HEIGHT - 3.0,
            escaped(&self.x_label),
        );
    }

    fn draw_marks(&self, svg: &mut String, axes: &Axes) {
        for (number, mark) in self.marks.iter().enumerate() {
            let class = if mark.from >= mark.to { "mark at" } else { "mark" };
            let (from, to) = (axes.x(mark.from.max(axes.x_min)), axes.x(mark.to.min(axes.x_max)));
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{from:.1}\" width=\"{:.1}\" y=\"{TOP}\" height=\"{:.1}\"><title>{}</title></rect>",
                (to - from).max(1.5),
                HEIGHT - TOP - BOTTOM,
                escaped(&mark.label),
            );
            if mark.from >= mark.to && number < NAMED_MARKS {
                let (x, anchor) = if from > WIDTH / 2.0 { (from - 4.0, "end") } else { (from + 4.0, "start") };
                let _ = write!(
                    svg,
                    "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                    TOP + 10.0 + 12.0 * (number % NAME_ROWS) as f64,
                    escaped(&mark.label),
                );
            }
        }
    }
}

struct Axes {
    x_min: f64,
    x_max: f64,
    top: f64,
}

impl Axes {
    fn x(&self, x: f64) -> f64 {
        LEFT + (x - self.x_min) / (self.x_max - self.x_min) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y.clamp(0.0, self.top) / self.top * (HEIGHT - TOP - BOTTOM)
    }
}

/// A step of 1, 2 or 5 times a power of ten that has three to six levels up to `greatest`, and the top level.
fn scale(greatest: f64) -> (f64, f64) {
    if greatest <= 0.0 {
        return (1.0, 1.0);
    }
    let rough = greatest / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|each| each * power).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    (step, (greatest / step).ceil().max(1.0) * step)
}

fn draw_line(svg: &mut String, line: &Line, axes: &Axes) {
    let points = thinned(&line.points);
    let mut path = String::new();
    let mut before: Option<f64> = None;
    for (x, y) in points {
        let Some(y) = y.filter(|y| y.is_finite()) else {
            before = None;
            continue;
        };
        let (x, y) = (axes.x(x), axes.y(y));
        match before {
            None => {
                // A lone point is seen as a dot by the line's round ends.
                let _ = write!(path, "M{x:.1} {y:.1}h0");
            }
            Some(_) if line.is_step => {
                let _ = write!(path, "H{x:.1}V{y:.1}");
            }
            Some(_) => {
                let _ = write!(path, "L{x:.1} {y:.1}");
            }
        }
        before = Some(y);
    }
    let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
}

/// At most about [`POINTS`] points: of each stretch the least and the greatest, so that no peak is lost.
fn thinned(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS / 2);
    let of = |part: &[(f64, Option<f64>)]| {
        let known = || part.iter().enumerate().filter_map(|(at, point)| Some((at, point.1?)));
        let least = known().min_by(|a, b| a.1.total_cmp(&b.1));
        let most = known().max_by(|a, b| a.1.total_cmp(&b.1));
        match (least, most) {
            (Some((a, _)), Some((b, _))) if a == b => vec![part[a]],
            (Some((a, _)), Some((b, _))) => vec![part[a.min(b)], part[a.max(b)]],
            _ => vec![(part[0].0, None)],
        }
    };
    points.chunks(stretch).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_steps() {
        for (greatest, want) in [(1.0, (0.5, 1.0)), (7.3, (2.0, 8.0)), (0.0, (1.0, 1.0)), (1_200.0, (500.0, 1_500.0))] {
            let got = scale(greatest);
            assert!((got.0 - want.0).abs() < 1e-9 && (got.1 - want.1).abs() < 1e-9, "{greatest}: {got:?}");
        }
    }

    #[test]
    fn thinning_keeps_peaks_and_gaps() {
        let mut points: Vec<(f64, Option<f64>)> = (0..10_000).map(|x| (f64::from(x), Some(1.0))).collect();
        points[5_003].1 = Some(99.0);
        points[8_000..9_000].iter_mut().for_each(|point| point.1 = None);
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS + 2, "{}", thin.len());
        assert!(thin.contains(&(5_003.0, Some(99.0))) && thin.iter().any(|point| point.1.is_none()));
    }

    /// A chart of one line.
    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart {
        Chart {
            title: "x & y".to_owned(),
            unit: "ms",
            ticks: Vec::new(),
            x_label: String::new(),
            lines: vec![Line { label: "a<b", class: 'a', is_step: false, points }],
            marks: Vec::new(),
            level: None,
        }
    }

    /// More than a byte counts; all are drawn, and the first have their names written beside them.
    #[test]
    fn many_marks_are_all_drawn_and_few_of_them_named() {
        let mark = |at: i32| Mark { from: f64::from(at), to: f64::from(at), label: "breaks".to_owned() };
        let marks: Vec<Mark> = (0..300).map(mark).collect();
        let drawn = Chart { marks, ..chart(vec![(0.0, Some(1.0)), (300.0, Some(2.0))]) }.svg().expect("two points");
        assert_eq!(drawn.matches("<rect class=\"mark at\"").count(), 300);
        assert_eq!(drawn.matches(">breaks</text>").count(), NAMED_MARKS);
    }

    #[test]
    fn a_level_that_is_no_number_is_not_drawn() {
        let points = vec![(0.0, Some(1.0)), (1.0, Some(2.0))];
        for (level, is_drawn) in [(1.5, true), (f64::INFINITY, false), (f64::NAN, false)] {
            let drawn = Chart { level: Some((level, "objective")), ..chart(points.clone()) }.svg().expect("two points");
            assert_eq!(drawn.contains(">objective</text>"), is_drawn, "{level}");
            assert_eq!(drawn.matches("<line class=\"grid\"").count(), 5, "0, 0.5, 1, 1.5 and 2, with {level}");
        }
    }

    #[test]
    fn what_has_no_points_is_not_drawn_and_names_are_no_markup() {
        assert_eq!(chart(vec![(0.0, None)]).svg(), None);
        let drawn = chart(vec![(0.0, Some(1.0)), (1.0, Some(2.0))]).figure().expect("two points");
        assert!(drawn.contains("a&lt;b") && drawn.contains("x &amp; y") && !drawn.contains("a<b"), "{drawn}");
    }
}

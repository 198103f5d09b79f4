//! Bars of a history: its newest point on the right, an eighth of a row as the smallest step.
//!
//! - **V1** A column shows the mean of the same seconds from frame to frame: bars move, they do not flicker.
//! - **V2** What is above nothing is seen: a value over zero has at least an eighth of a row.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Bars by their height in eighths of a row.
const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Seconds that a column stands for, so that `columns` show at least `span` seconds.
pub(super) fn seconds_per_column(columns: u16, span: usize) -> usize {
    span.div_ceil(usize::from(columns).max(1)).max(1)
}

/// The means of a history for `columns`, the newest last; `None` where there is no point.
///
/// - `points`: one a second, the newest last.
/// - `now_s`: the second of the newest point, by which seconds are put together (V1).
/// - `per_column`: seconds of a column, `>= 1`.
pub(super) fn means(points: &VecDeque<f64>, columns: u16, per_column: usize, now_s: f64) -> Vec<Option<f64>> {
    let columns = usize::from(columns);
    let phase = now_s.max(0.0) as usize % per_column;
    let mut sums = vec![(0.0, 0_u32); columns];
    for (age, value) in points.iter().rev().enumerate() {
        // The newest column has its first `phase + 1` seconds so far, those before it are complete.
        let back = (age + per_column - 1 - phase) / per_column;
        if back >= columns {
            break;
        }
        if value.is_finite() {
            let (sum, count) = &mut sums[columns - 1 - back];
            *sum += value;
            *count += 1;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
}

/// The greatest of `values`, and of `least`.
pub(super) fn top<'a>(values: impl IntoIterator<Item = &'a Option<f64>>, least: f64) -> f64 {
    values.into_iter().flatten().copied().fold(least, f64::max)
}

/// Draws a bar for each of `values`, the last on the right edge of `area`.
///
/// - `top`: the value that fills the height, `> 0`.
/// - `style`: of a row of a bar, from the value at that row's middle and the bar's own.
pub(super) fn bars(
    buffer: &mut Buffer,
    area: Rect,
    values: &[Option<f64>],
    top: f64,
    style: impl Fn(f64, f64) -> Style,
) {
    let rows = f64::from(area.height);
    for (back, value) in values.iter().rev().take(usize::from(area.width)).enumerate() {
        let Some(value) = value.filter(|value| *value > 0.0 && top > 0.0) else { continue };
        let eighths = ((value / top).min(1.0) * rows * 8.0).round().max(1.0) as usize;
        for row in 0..usize::from(area.height) {
            let filled = eighths.saturating_sub(row * 8).min(8);
            if filled > 0 {
                let middle = (row as f64 + 0.5) / rows * top;
                cell(buffer, area, back, row, BARS[filled], style(middle, value));
            }
        }
    }
}

/// Draws ready instances as full bars, what is wanted and not ready as `░`, what is ready and not wanted as `▒`.
pub(super) fn instances(
    buffer: &mut Buffer,
    area: Rect,
    (ready, desired): (&[Option<f64>], &[Option<f64>]),
    top: f64,
    (ready_style, desired_style): (Style, Style),
) {
    let levels = |value: f64| (value / top).min(1.0) * f64::from(area.height);
    for (back, (ready, desired)) in ready.iter().zip(desired).rev().take(usize::from(area.width)).enumerate() {
        let ready = levels(ready.unwrap_or(0.0));
        let desired = desired.map_or(ready, levels);
        for row in 0..usize::from(area.height) {
            let middle = row as f64 + 0.5;
            match (middle < ready, middle < desired) {
                (true, true) => cell(buffer, area, back, row, "█", ready_style),
                (true, false) => cell(buffer, area, back, row, "▒", ready_style),
                (false, true) => cell(buffer, area, back, row, "░", desired_style),
                (false, false) => {}
            }
        }
    }
}

/// A value of so many instances that each has whole rows, if they fit.
pub(super) fn whole_rows(most: f64, height: u16) -> f64 {
    let rows_each = (f64::from(height) / most.max(1.0)).floor();
    if rows_each >= 1.0 { f64::from(height) / rows_each } else { most }
}

/// A dotted line at `value`, behind the bars.
pub(super) fn level(buffer: &mut Buffer, area: Rect, value: f64, top: f64, style: Style) {
    let Some(row) = row_of(area, value, top) else { return };
    for back in 0..usize::from(area.width) {
        cell(buffer, area, back, row, "┄", style);
    }
}

/// The row, from below, in which `value` is; `None` outside of the chart.
pub(super) fn row_of(area: Rect, value: f64, top: f64) -> Option<usize> {
    let row = (value / top * f64::from(area.height)).floor();
    (row >= 0.0 && row < f64::from(area.height)).then_some(row as usize)
}

/// Puts `symbol` in the column `back` from the right and the row `row` from below.
fn cell(buffer: &mut Buffer, area: Rect, back: usize, row: usize, symbol: &str, style: Style) {
    let position = (area.right() - 1 - back as u16, area.bottom() - 1 - row as u16);
    if let Some(cell) = buffer.cell_mut(position) {
        cell.set_symbol(symbol).set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(width: u16, height: u16, paint: impl Fn(&mut Buffer, Rect)) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        paint(&mut buffer, area);
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        (0..height).map(row).collect()
    }

    #[test]
    fn a_column_keeps_its_seconds_while_time_passes() {
        let points: VecDeque<f64> = (0..9).map(f64::from).collect();
        // Seconds 0 to 8, three a column: {0 1 2} {3 4 5} {6 7 8}.
        assert_eq!(means(&points, 4, 3, 8.0), [None, Some(1.0), Some(4.0), Some(7.0)]);
        // The next second begins a column, and those before it stay as they were.
        let points: VecDeque<f64> = (0..10).map(f64::from).collect();
        assert_eq!(means(&points, 4, 3, 9.2), [Some(1.0), Some(4.0), Some(7.0), Some(9.0)]);
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let points = VecDeque::from([f64::NAN, 2.0, f64::NAN, f64::INFINITY]);
        assert_eq!(means(&points, 2, 2, 3.0), [Some(2.0), None]);
        assert_eq!(means(&VecDeque::new(), 2, 1, 0.0), [None, None]);
        assert_eq!(means(&points, 0, 1, 3.0), []);
    }

    #[test]
    fn bars_grow_from_below_and_the_newest_is_on_the_right() {
        let values = [None, Some(0.0), Some(0.001), Some(0.25), Some(0.5), Some(0.75), Some(2.0)];
        let rows = text(8, 2, |buffer, area| bars(buffer, area, &values, 1.0, |_, _| Style::new()));
        assert_eq!(rows, ["      ▄█", "   ▁▄███"]);
    }

    #[test]
    fn more_values_than_columns_lose_the_oldest() {
        let values = [Some(1.0), Some(0.5), Some(1.0)];
        let rows = text(2, 1, |buffer, area| bars(buffer, area, &values, 1.0, |_, _| Style::new()));
        assert_eq!(rows, ["▄█"]);
    }

    #[test]
    fn what_is_wanted_and_what_is_ready_differ_to_the_eye() {
        let (ready, desired) = ([Some(2.0), Some(2.0), Some(3.0), None], [Some(2.0), Some(3.0), Some(2.0), None]);
        let styles = (Style::new(), Style::new());
        let rows = text(4, 3, |buffer, area| instances(buffer, area, (&ready, &desired), 3.0, styles));
        assert_eq!(rows, [" ░▒ ", "███ ", "███ "]);
    }

    #[test]
    fn instances_have_whole_rows_where_they_fit() {
        for (most, height, want) in [(3.0, 10, 10.0 / 3.0), (10.0, 10, 10.0), (12.0, 10, 12.0), (0.0, 4, 1.0)] {
            assert_eq!(whole_rows(most, height), want, "{most} in {height} rows");
        }
    }

    #[test]
    fn a_level_is_in_the_row_of_its_value() {
        let rows = text(3, 4, |buffer, area| level(buffer, area, 0.7, 1.0, Style::new()));
        assert_eq!(rows, ["   ", "┄┄┄", "   ", "   "]);
        assert_eq!(text(3, 1, |buffer, area| level(buffer, area, 1.5, 1.0, Style::new())), ["   "]);
    }
}

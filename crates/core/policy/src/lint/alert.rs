//! Alert rules: levels that are never reached, alerts that come and go with every window.

use super::{Doubt, LintCode};
use crate::alert::rules::{AlertRules, Rule, RuleSignal, Side};
use crate::duration::HumanDuration;
use crate::policy::Of;
use std::time::Duration;

pub(super) fn lint(rules: &AlertRules) -> Vec<Doubt> {
    let each = rules.rules.iter().enumerate().flat_map(|(index, rule)| {
        let path = format!("spec.rules[{index}]");
        let slide = rules.window_slide;
        let short = [("for", rule.hold_for), ("keep_firing_for", rule.keep_firing_for)]
            .map(|(key, duration)| shorter_than_slide(duration, slide, &format!("{path}.{key}")));
        [unreachable(rule, &path), flaps(rule, &path), one_stretch(rule, &path)].into_iter().chain(short)
    });
    each.flatten().collect()
}

/// The greatest value that a signal can have, where it has one.
fn greatest(signal: &RuleSignal) -> Option<(f64, &'static str)> {
    match signal {
        RuleSignal::ErrorRate => Some((1.0, "a share of requests")),
        // A share of the request may well exceed 1; `auto` is of the limit where that is reported.
        RuleSignal::Utilization { of, .. } => (*of != Of::Request).then_some((1.0, "a share of the limit")),
        RuleSignal::Metric { metric, .. } => {
            metric.ends_with("_utilization_of_limit").then_some((1.0, "a share of the limit"))
        }
        // A burn rate that cannot be is refused.
        _ => None,
    }
}

fn unreachable(rule: &Rule, path: &str) -> Option<Doubt> {
    let (key, message) = match rule.side {
        Side::Above => {
            let (greatest, what) = greatest(&rule.signal)?;
            let message = format!("fires above {}, and {what} is {greatest} at most", rule.threshold);
            (rule.threshold >= greatest).then_some(("above", message))?
        }
        Side::Below => {
            // Metrics of telemetry may be negative; what is computed here is not.
            let is_share = matches!(rule.signal, RuleSignal::ErrorRate | RuleSignal::Utilization { .. });
            let message = format!("fires below {}, and a share is never negative", rule.threshold);
            (is_share && rule.threshold <= 0.0).then_some(("below", message))?
        }
    };
    let advice = "write a level that can be crossed, a ratio such as 0.05 for five percent";
    Some(Doubt::new(LintCode::Unreachable, format!("{path}.{key}"), message, advice))
}

fn flaps(rule: &Rule, path: &str) -> Option<Doubt> {
    let has_hold = !rule.hold_for.is_zero() || !rule.keep_firing_for.is_zero() || rule.recovery.is_some();
    // Counts move in steps, not with noise; findings are held before they open, burn rates by their long stretch.
    let is_noisy = matches!(
        rule.signal,
        RuleSignal::Utilization { .. } | RuleSignal::Metric { .. } | RuleSignal::Signal { .. } | RuleSignal::ErrorRate
    );
    (!has_hold && is_noisy).then(|| {
        let message = "fires at the first window above its level and resolves at the first below, so that a value around it \
                       sends an alert a window";
        let advice = "write `for`, `keep_firing_for`, or a `recovery` level on the calm side";
        Doubt::new(LintCode::AlertFlaps, path, message, advice)
    })
}

fn shorter_than_slide(duration: Duration, slide: Duration, path: &str) -> Option<Doubt> {
    let (shown, slide_shown) = (HumanDuration(duration), HumanDuration(slide));
    (!duration.is_zero() && duration < slide).then(|| {
        let message =
            format!("{shown} are over before the next window closes, {slide_shown} later, which is when it ends");
        Doubt::new(LintCode::ShorterThanSlide, path, message, format!("write {slide_shown} or more, or leave it out"))
    })
}

fn one_stretch(rule: &Rule, path: &str) -> Option<Doubt> {
    let RuleSignal::BurnRate(rate) = &rule.signal else { return None };
    (rate.short * 2 > rate.long).then(|| {
        let (long, short) = (HumanDuration(rate.long), HumanDuration(rate.short));
        let message = format!(
            "the budget has to burn over {long} and over {short}, so that the alert ends {short} after the trouble"
        );
        let advice = "write a short stretch of about a twelfth of the long one";
        Doubt::new(LintCode::OneStretch, format!("{path}.signal.short"), message, advice)
    })
}

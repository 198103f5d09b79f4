//! `strategy`: out, up, or both.

use crate::cli::StrategyArgs;
use crate::exit::{Code, Failure};
use crate::report::number;
use crate::terminal::{self, Cell, Tone};
use tidegauge_analytics::strategy::{Comparison, Fleet, SizeCatalogue, Workload, compare};

/// Runs the command.
///
/// # Errors
///
/// A catalogue that cannot be read, or a number outside its domain ([`Code::Usage`]).
pub fn run(args: &StrategyArgs) -> anyhow::Result<()> {
    let catalogue = match &args.sizes {
        Some(file) => super::analyze::read_sizes(file)?,
        None => SizeCatalogue::of_the_guide(),
    };
    if args.min > args.max {
        let message = format!("--min is {} and --max {}; the least cannot be above the most", args.min, args.max);
        return Err(Failure::new(Code::Usage, message).into());
    }
    let found = compare(&workload(args), &fleet(args), &catalogue, args.months)
        .map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
    super::print(&args.output.text(&found, |colours| table(&found, colours))?)
}

fn workload(args: &StrategyArgs) -> Workload {
    Workload {
        arrival_per_s: args.rate,
        dispersion: args.dispersion,
        service_time_s: args.service_time,
        service_cv: args.service_cv,
        cpu_s_per_request: args.cpu_per_request,
        memory_gb_per_request: args.memory_per_request,
        sticky_ratio: args.sticky,
    }
}

fn fleet(args: &StrategyArgs) -> Fleet {
    Fleet {
        size: args.size.clone(),
        instances: args.instances,
        instances_min: args.min,
        instances_max: args.max,
        objective: args.objective,
        sigma: args.sigma,
        kappa: args.kappa,
        start_up_s: args.start_up,
        violation_min_per_month: args.violations,
        violation_cost_per_min: args.violation_cost,
    }
}

fn table(found: &Comparison, colours: bool) -> String {
    let rows = found.options.iter().map(|choice| {
        let tone = if choice.feasible { Tone::Plain } else { Tone::Faint };
        let name = format!("{:?}", choice.kind).to_lowercase();
        let cells = [
            name,
            format!("{} x {}", choice.instances, choice.size),
            number(choice.capacity_per_s, "per s"),
            if choice.feasible { "yes" } else { "no" }.to_owned(),
            number(choice.cost_per_month, "USD"),
            number(choice.net_usd, "USD"),
            choice.roi.map_or("-".to_owned(), |roi| number(roi, "")),
        ];
        cells.map(|text| -> Cell { (text, tone) }).into()
    });
    let header = ["CHANGE", "TO", "CAPACITY", "CARRIES IT", "A MONTH", "NET", "ROI"];
    let mut text = terminal::table(&header, &rows.collect::<Vec<_>>(), colours);
    let recommended = found.recommended.map_or("none carries it".to_owned(), |kind| format!("{kind:?}").to_lowercase());
    text += &format!("\nto plan for: {}; recommended: {recommended}\n", number(found.required_per_s, "per s"));
    if let Some(best) = found.options.first() {
        best.benefits.iter().for_each(|benefit| text += &format!("+ {benefit}\n"));
        best.limitations.iter().for_each(|limitation| text += &format!("- {limitation}\n"));
    }
    for (number, step) in (1..).zip(&found.plan) {
        text += &format!("{number}. {} (check: {}; back: {})\n", step.action, step.verify, step.rollback);
    }
    text
}

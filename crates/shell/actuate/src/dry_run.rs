//! An actuator that changes nothing: it says what another would do.

use crate::adapter::{Adapter, Tell};
use crate::order::{Order, Outcome};
use futures::future::BoxFuture;
use tidegauge_model::Target;

/// Says what would be done, through a function of its owner's.
pub struct DryRun {
    say: Box<dyn Fn(&str) + Send + Sync>,
}

impl DryRun {
    /// Says it through `say`, a line at a time.
    #[must_use]
    pub fn new(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { say: Box::new(say) }
    }
}

impl Adapter for DryRun {
    fn name(&self) -> &'static str {
        "dry-run"
    }

    fn covers(&self, _: &Target) -> bool {
        true
    }

    fn carry_out<'a>(&'a self, order: &'a Order, tell: &'a Tell) -> BoxFuture<'a, Outcome> {
        (self.say)(&line(order));
        tell.started(order.decision.current_instances);
        Box::pin(std::future::ready(Outcome::Applied(order.decision.desired_instances)))
    }
}

/// One order for people.
#[must_use]
pub fn line(order: &Order) -> String {
    let decision = &order.decision;
    format!(
        "{}  {}  generation {}  would go from {} to {} instances  {}",
        decision.decided_at,
        decision.target,
        decision.generation,
        decision.current_instances,
        decision.desired_instances,
        decision.explanation
    )
}

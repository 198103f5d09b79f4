//! What becomes of decisions that KEDA is answered with, as far as it shows.

use super::standing::{Seen, Standing};
use crate::adapter::{Adapter, Tell};
use crate::order::{Order, Outcome};
use futures::future::BoxFuture;
use std::time::Duration;
use tidegauge_model::{EventTime, Target};

/// How often it is looked how far a decision is.
const LOOK: Duration = Duration::from_millis(200);

/// Carries nothing out: it watches KEDA do so, and says when telemetry shows it.
pub struct Watch {
    standing: Standing,
    now: fn() -> EventTime,
}

impl Watch {
    /// Goes by what is known to `standing`. `now` is the wall clock.
    #[must_use]
    pub const fn new(standing: Standing, now: fn() -> EventTime) -> Self {
        Self { standing, now }
    }

    async fn watch(&self, order: &Order, tell: &Tell) -> Outcome {
        let decision = &order.decision;
        let (mut is_told, mut last) = (false, decision.current_instances);
        loop {
            let Seen { is_asked_for, instances } = self.standing.seen(&decision.target, decision.generation);
            last = instances.unwrap_or(last);
            if is_asked_for && !is_told {
                tell.started(decision.current_instances);
                is_told = true;
            }
            if instances == Some(decision.desired_instances) {
                return Outcome::Applied(decision.desired_instances);
            }
            if (self.now)() >= decision.expires_at {
                let (desired, until) = (decision.desired_instances, decision.expires_at);
                return match is_told {
                    true => Outcome::Partial(
                        last,
                        format!("KEDA was told, and telemetry showed {last} of {desired} at {until}"),
                    ),
                    false => Outcome::Expired(format!("KEDA did not ask until {until}")),
                };
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Adapter for Watch {
    fn name(&self) -> &'static str {
        "keda"
    }

    fn covers(&self, _: &Target) -> bool {
        true
    }

    fn carry_out<'a>(&'a self, order: &'a Order, tell: &'a Tell) -> BoxFuture<'a, Outcome> {
        Box::pin(self.watch(order, tell))
    }
}

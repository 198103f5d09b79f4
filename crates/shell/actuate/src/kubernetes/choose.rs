//! What to do about a workload, from what was read of it. No IO.

/// A workload at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// `resourceVersion`.
    pub(super) version: String,
    /// The generation that was claimed last.
    pub(super) fence: Option<u64>,
    /// Replicas that are asked for.
    pub(super) replicas: u32,
}

/// The one thing to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// That greater generation stands there.
    Superseded(u64),
    /// Something would have to be changed, and it is too late.
    Expired,
    /// Write the generation.
    Claim,
    /// Set the replicas.
    Scale,
    /// Nothing.
    Done,
}

pub(super) fn choose(found: &Found, generation: u64, desired: u32, is_expired: bool) -> Next {
    match found.fence {
        Some(fence) if fence > generation => Next::Superseded(fence),
        Some(fence) if fence == generation && found.replicas == desired => Next::Done,
        _ if is_expired => Next::Expired,
        Some(fence) if fence == generation => Next::Scale,
        _ => Next::Claim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_done_at_a_time() {
        // name, annotation, replicas, expired, want of generation 5 that wants 7
        let cases = [
            ("never touched", None, 3, false, Next::Claim),
            ("never touched, and as many by chance", None, 7, false, Next::Claim),
            ("an older generation", Some(4), 3, false, Next::Claim),
            ("claimed", Some(5), 3, false, Next::Scale),
            ("set", Some(5), 7, false, Next::Done),
            ("a greater generation", Some(6), 3, false, Next::Superseded(6)),
            ("too late to claim", None, 3, true, Next::Expired),
            ("too late to set", Some(5), 3, true, Next::Expired),
            ("done in time, and read late", Some(5), 7, true, Next::Done),
            ("superseded, and late", Some(6), 7, true, Next::Superseded(6)),
        ];
        for (name, fence, replicas, is_expired, want) in cases {
            let found = Found { version: "1".into(), fence, replicas };
            assert_eq!(choose(&found, 5, 7, is_expired), want, "{name}");
        }
    }
}

//! Closed windows to findings.

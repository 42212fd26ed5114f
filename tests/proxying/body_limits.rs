//! Bounds on bodies.

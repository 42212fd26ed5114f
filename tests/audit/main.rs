//! The audit log from outside: what it promises to whoever operates it and whoever audits it.

mod crash;
mod lifecycle;
mod reading;
mod sample;
mod tamper;

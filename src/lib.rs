//! Why can this GitHub Actions job not assume this AWS role?
//!
//! ```text
//! Args -> collect() -> Evidence -> diagnose() -> Diagnosis -> report::*() -> text -> main writes it
//!         (all I/O)    (plain data)   (pure)      (plain data)    (pure)
//! ```
//!
//! Only `main.rs` and [`collect`] touch the environment, files, the network or the clock.

pub mod answer;
pub mod args;
pub mod arn;
pub mod claims;
pub mod evidence;
pub mod policy;
pub mod source;
pub mod subject;
pub mod workflow;

//! Why can this GitHub Actions job not assume this AWS role?
//!
//! ```text
//! Args -> collect() -> Evidence -> diagnose() -> Diagnosis -> report::*() -> text -> main writes it
//!         (all I/O)    (plain data)   (pure)      (plain data)    (pure)
//! ```
//!
//! Only `main.rs` and `collect` touch the environment, files, the network or the clock.

pub mod args;
pub mod aws;
pub mod budget;
pub mod case;
pub mod checks;
#[cfg(feature = "live")]
pub mod collect;
pub mod configure;
pub mod diagnose;
pub mod evaluate_lines;
pub mod evidence;
pub mod explain;
pub mod finding;
pub mod fix;
pub mod github;
pub mod policy;
pub mod report;
pub mod secrets;
pub mod text;
pub mod witness;

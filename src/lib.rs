//! Why can this GitHub Actions job not assume this AWS role?
//!
//! ```text
//! Args -> collect() -> Evidence -> diagnose() -> Diagnosis -> report::*() -> text -> main writes it
//!         (all I/O)    (plain data)   (pure)      (plain data)    (pure)
//! ```
//!
//! Only `main.rs` and `collect` touch the environment, files, the network or the clock.

pub mod answer;
pub mod args;
pub mod arn;
pub mod budget;
pub mod case;
pub mod checks;
pub mod claims;
#[cfg(feature = "live")]
pub mod collect;
pub mod configure;
pub mod diagnose;
pub mod difference;
pub mod evaluate_lines;
pub mod evidence;
pub mod explain;
pub mod fix;
pub mod policy;
pub mod report;
pub mod request;
pub mod rows;
pub mod secrets;
pub mod source;
pub mod subject;
pub mod unseen;
pub mod witness;
pub mod workflow;

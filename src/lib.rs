//! Why can this GitHub Actions job not assume this AWS role?
//!
//! ```text
//! Args -> collect() -> Evidence -> diagnose() -> Report -> report::*() -> text -> main writes it
//!         (all I/O)    (plain data)   (pure)      (plain data)    (pure)
//! ```
//!
//! Only `main.rs` and `collect` touch the environment, files, the network or the clock.
//!
//! The modules stand in layers, the ground first: none imports one that stands below it in this list, and a test holds it.

// Ground: text, secrets in it, work that is counted.
pub mod budget;
pub mod secrets;

pub mod text;

// The policy language: read, evaluate, explain. Knows nothing of GitHub.
pub mod policy;

// The words of each side.
pub mod configure;
pub mod github;

// What a run found out: plain data.
pub mod evidence;

// AWS's names and answers, and the request that a policy is evaluated for.
pub mod aws;

// What a diagnosis says: plain data.
pub mod finding;

// Who else gets in, for an asker and a policy.
pub mod witness;

// One run, read and evaluated: what checks look at.
pub mod case;

// Changes that mend what was found, each of them proved.
pub mod fix;

// The checks, a file each, and their pages.
pub mod checks;
pub mod explain;

// All of it together, and its layout as text.
pub mod diagnose;
pub mod report;

// The edge: the command line, everything that is read from outside, lines in bulk.
#[cfg(feature = "live")]
pub mod args;
pub mod bulk;
#[cfg(feature = "live")]
pub mod collect;

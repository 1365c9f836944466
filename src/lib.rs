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

#![cfg_attr(not(feature = "live"), expect(dead_code, reason = "only the edge uses it"))]

// Ground: text, secrets in it, work that is counted.
mod budget;
mod secrets;

mod text;

// The policy language: read, evaluate, explain. Knows nothing of GitHub.
pub mod policy;

// Trust policies as people keep them: Terraform, CloudFormation, IAM's JSON.
mod infra;

// The words of each side.
mod configure;
mod github;

// What a run found out: plain data.
mod evidence;

// AWS's names and answers, and the request that a policy is evaluated for.
mod aws;

// What a diagnosis says: plain data.
mod finding;

// Who else gets in, for an asker and a policy.
mod witness;

// One run, read and evaluated: what checks look at.
mod case;

// Changes that mend what was found, each of them proved.
mod fix;

// The tokens that jobs can get, before they run.
mod predict;

// The checks, a file each, and their pages.
mod checks;

// All of it together, and its layout as text.
mod diagnose;

// All jobs against all policies, before the push.
mod check;
pub mod explain;
pub mod report;

// The edge: the command line, everything that is read from outside, lines in bulk.
#[cfg(feature = "live")]
pub mod args;
pub mod bulk;
#[cfg(feature = "live")]
mod collect;

// The JSON Schemas of what is written are those that are checked in.
#[cfg(test)]
mod schemas;

// What is used from outside, beside the modules above that are public.
pub use aws::answer::{Answer, Refusal};
pub use aws::request::{Asker, web_identity};
pub use budget::Budget;
pub use case::Case;
pub use check::Checked as CheckedRepository;
pub use checks::{CHECKS, by_id};
#[cfg(feature = "live")]
pub use collect::{
    Collected, Env, Outside, collect,
    expectations::{Tested, tested},
    files::Files,
    github::is_job,
    origin::Audience,
    repository::{Checkout, generated},
    sources::{Sources, baseline},
};
pub use configure::{INPUTS, Inputs, Kind, Spec};
pub use diagnose::{diagnose, explaining, told};
pub use evidence::paste;
pub use evidence::{Evidence, PolicyText, Probe, Role, Runs};
pub use finding::{
    Cause, CauseStatus, Certainty, Conclusion, Diagnosis, Document, Finding, Fix, Found, Label, MissingFact, Severity,
    Target, Told,
};
pub use fix::is_proven;
pub use github::claims::{Claims, decode};
pub use github::subject::{Subject, customized_keys, parts::Part};
pub use github::workflow::{IdToken, read};
pub use predict::{Checked, Expectations, Form, JobTokens, Prediction, Problem, Repository, TrustedRole, predict};
pub use secrets::Secrets;
pub use text::{Location, SourceText, Span, unseen::is_unseen};
pub use witness::{Breadth, Witness, search};

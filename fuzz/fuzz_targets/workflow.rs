//! Any text as a workflow: it is read or refused in bounded time, and every place lies in the text.
#![no_main]

use aws_oidc_doctor::Span;
use aws_oidc_doctor::{IdToken, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let inside = |span: Span| assert!(text.get(span.start..span.end).is_some(), "{span:?}");
    match read(text) {
        Ok(workflow) => {
            for permissions in workflow
                .permissions
                .iter()
                .chain(workflow.jobs.iter().filter_map(|job| job.permissions.as_ref()))
            {
                inside(permissions.span);
                if let IdToken::Write(span) | IdToken::Read(span) | IdToken::None(span) = permissions.id_token {
                    inside(span);
                }
            }
            for job in &workflow.jobs {
                inside(job.id.span);
                inside(job.span);
                for step in job.steps.iter().chain(&job.doctor_steps) {
                    inside(step.span);
                    step.inputs.iter().for_each(|(name, value)| {
                        inside(name.span);
                        inside(value.span);
                    });
                }
            }
        }
        Err(error) => assert!(error.line > 0 && !error.message.contains('\n')),
    }
});

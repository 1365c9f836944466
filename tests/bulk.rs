//! `evaluate` as a program: lines meant to exhaust time and memory, on several threads.
use crate::program;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

/// A line with this condition and context.
fn line(condition: &str, context: &str) -> String {
    format!(
        r#"{{"id":7,"trust_policy":{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"x"}},"Action":"*","Condition":{{{condition}}}}}}},"request":{{"action":"sts:A","principal":{{"aws":"x"}},"context":{{{context}}}}}}}"#
    )
}

#[test]
fn a_hostile_line_takes_little_memory_and_the_next_is_answered() {
    let good = line("", "");
    let hostile = [
        // Variables that multiply, into wildcards too.
        line(
            &format!(r#""StringEquals":{{"t:k":"{}"}}"#, "${t:x}".repeat(100_000)),
            &format!(r#""t:k":"a","t:x":"{}""#, "v".repeat(65_000)),
        ),
        line(
            &format!(r#""StringLike":{{"t:k":"{}b"}}"#, "${t:x}".repeat(4)),
            &format!(r#""t:k":"{}","t:x":"{}""#, "a".repeat(60_000), "*?".repeat(32_000)),
        ),
        // Countless values.
        line("", &format!(r#""t:k":[{}1]"#, "1,".repeat(8_000_000))),
        line(
            "",
            &(0..1_000_000).map(|nth| format!(r#""{nth}":1,"#)).collect::<String>(),
        ),
        line(
            &format!(r#""NumericEquals":{{"t:k":[{}1]}}"#, "1,".repeat(500_000)),
            r#""t:k":2"#,
        ),
        // Text that an error or an answer would repeat.
        format!(r#"{{"request":"{}"}}"#, "x".repeat(16_000_000)),
        format!(r#"{{"id":"{}"}}"#, "x".repeat(16_000_000)),
        format!(
            r#"{{"trust_policy":"{}","request":{{"action":"a"}}}}"#,
            "\\n".repeat(8_000_000)
        ),
        "x".repeat(40_000_000),
    ];
    for jobs in ["1", "2"] {
        let mut command = program();
        command
            .args(["evaluate", "--jobs", jobs])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        for line in &hostile {
            writeln!(input, "{line}\n{good}").unwrap();
            input.flush().unwrap();
            for expected in [r#""decision":"Error""#, r#""decision":"Allow""#] {
                let mut answer = String::new();
                answers.read_line(&mut answer).unwrap();
                assert!(answer.contains(expected), "{:.200}", answer);
            }
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        // A 16 MB line in each of three workers takes some 100 MB without optimisation.
        assert!(peak < 160 * 1024, "{jobs} jobs: {peak} kB");
        drop(input);
        assert_eq!(child.wait().unwrap().code(), Some(2), "the hostile lines are errors");
    }
}

#[test]
fn a_machine_that_gives_no_threads_answers_all_the_same() {
    let mut command = program();
    // A stack of 64 TiB can't be allocated, so none of the other workers can be started.
    command
        .args(["evaluate", "--jobs", "64"])
        .env("RUST_MIN_STACK", (1_u64 << 46).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(format!("{}\n", line("", "")).repeat(50).as_bytes())
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(answers.matches(r#""decision":"Allow""#).count(), 50, "{answers}");
}

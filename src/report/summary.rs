//! The job summary, in Markdown: the answer on one screen, followed by all the evidence, folded.

use std::fmt::Write as _;

use super::markdown::{bold, cell, code, fence, inline};
use super::{
    FIRST_FACTS, MOST_FINDINGS, MOST_LINES, Pages, Report, Run, capital, cause_word, cut, gist, one_is_enough, outcome,
    place, stage_word, standing,
};
use crate::finding::{
    CauseStatus, Certainty, Conclusion, Diagnosis, Document, Fix, Found, Party, Session, Severity, SideBySide,
    StageStatus, Target, Told,
};
use crate::fix::is_about_commands;

/// The most bytes of a step's summary: the runner drops one over 1 MiB entirely.
/// (actions/runner, `CreateStepSummaryCommand`, `AttachmentSizeLimit`.)
const MOST: usize = 900 * 1024;
/// Room for the line that says something was left out.
const NOTICE: usize = 200;
/// The most notes of a finding on the first screen, with and without a fix.
const NOTES_BY_A_FIX: usize = 1;
const NOTES_ALONE: usize = 6;
/// The most missing facts and the most lines of help on the first screen.
const MOST_GAPS: usize = 3;
const MOST_HELP: usize = 3;
/// The most characters of a value or a sentence in a table.
const MOST_CELL: usize = 300;

/// Renders the summary of a step: all its runs, together within the runner's limit.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    if report.is_several() {
        let mark = match mark(&report.deciding().diagnosis) {
            "✅" if !report.left_out.is_empty() => "☑️",
            mark => mark,
        };
        let _ = writeln!(out, "## {mark} {}\n", inline(&report.count()));
        out.push_str("| | role | |\n|---|---|---|\n");
        for run in report.runs() {
            let role = run.role.as_deref().map(code).unwrap_or_default();
            let _ = writeln!(out, "{}", row(&run.diagnosis, &role));
        }
        for step in report.left_out.iter().take(MOST_LINES) {
            let step = cell(&inline(&cut(step, MOST_CELL)));
            let _ = writeln!(out, "| ❓ | {step} | not checked |");
        }
        out.push('\n');
    }
    let all = report.runs().count();
    for (i, run) in report.runs().enumerate() {
        let left = all - i;
        let share = MOST.saturating_sub(out.len()) / left;
        let section = section(run, &report.pages, report.is_several(), share);
        if out.len() + section.len() > MOST {
            let _ = writeln!(
                out,
                "*{left} more requests are omitted to keep the summary within its size limit.*"
            );
            break;
        }
        out.push_str(&section);
    }
    out
}

/// A run in about `most` bytes: the answer, and a chain's hops.
fn section(run: &Run, pages: &Pages, is_one_of_several: bool, most: usize) -> String {
    let level = if is_one_of_several { "###" } else { "##" };
    let mut out = format!("{level} {} {}\n\n", mark(&run.diagnosis), inline(&run.title()));
    let source = run.source.as_deref().filter(|_| is_one_of_several);
    if run.chain.is_empty() {
        return out + &body(&run.diagnosis, pages, source, false, most);
    }
    if let Some(source) = source {
        let _ = writeln!(out, "{}\n", inline(source));
    }
    out.push_str("| | hop | |\n|---|---|---|\n");
    for (hop, line) in run.hops() {
        let _ = writeln!(out, "{}", row(&hop.diagnosis, &inline(&line)));
    }
    out.push('\n');
    let share = most.saturating_sub(out.len()) / run.chain.len();
    out.push_str(&body(&run.diagnosis, pages, None, true, share));
    for (at, hop) in run.chain.iter().enumerate() {
        if Some(at + 1) != run.deciding_hop() {
            let _ = writeln!(
                out,
                "<details><summary>Hop {}: {}</summary>\n\n{}\n</details>\n",
                at + 1,
                handshake(&hop.diagnosis),
                body(&hop.diagnosis, pages, None, true, share)
            );
        }
    }
    out
}

/// A row in a table of several: the status, the name and the check.
fn row(diagnosis: &Diagnosis, name: &str) -> String {
    let outcome = inline(&outcome(diagnosis));
    format!("| {} | {} | {outcome} |", mark(diagnosis), cell(name))
}

/// The status, distinguishable without colour. Anything not checked, not confirmed by AWS or risky gets no ✅.
fn mark(diagnosis: &Diagnosis) -> &'static str {
    match diagnosis.conclusion {
        Conclusion::Allowed if diagnosis.risk().is_some() => "⚠️",
        Conclusion::Allowed if diagnosis.session == Some(Session::Aws) && !diagnosis.is_partial => "✅",
        Conclusion::Allowed => "☑️",
        Conclusion::Denied => "❌",
        Conclusion::Undecided => "❓",
    }
}

fn title(diagnosis: &Diagnosis) -> String {
    capital(&gist(diagnosis))
}

impl Run {
    /// The result as a title; for a chain, with the deciding hop.
    fn title(&self) -> String {
        match self.deciding_hop().filter(|_| !self.passes()) {
            Some(hop) => format!("Hop {hop} of {}: {}", self.chain.len(), gist(&self.diagnosis)),
            None => title(&self.diagnosis),
        }
    }
}

/// The bytes still free, and whether something didn't fit.
struct Room {
    left: usize,
    is_short: bool,
}

impl Room {
    /// Returns the text if there is room for it.
    fn keep(&mut self, text: String) -> String {
        if text.len() > self.left {
            self.is_short = true;
            return String::new();
        }
        self.left -= text.len();
        text
    }
}

/// One diagnosis below its title, in about `most` bytes: what the step does, what differs, why, what to change, and the evidence
/// in one fold.
fn body(diagnosis: &Diagnosis, pages: &Pages, source: Option<&str>, is_hop: bool, most: usize) -> String {
    let lead = diagnosis.lead();
    let is_certain = lead.is_some_and(|lead| lead.certainty() == Certainty::Certain);
    let way = match source {
        Some(source) => format!("{source}: {}", diagnosis.way),
        None => capital(&diagnosis.way),
    };
    let mut out = format!("{}\n\n", inline(&way));
    match lead.and_then(|lead| lead.compares.as_ref()) {
        Some(compared) => out.push_str(&comparison(compared)),
        None if is_hop || is_certain => {}
        None => out.push_str(&facts(diagnosis, &FIRST_FACTS)),
    }
    out.extend(lead.map(|lead| why(diagnosis, lead)));
    let mut room = Room {
        left: most.saturating_sub(out.len() + NOTICE),
        is_short: diagnosis.findings.len() > MOST_FINDINGS,
    };
    let line = lead.map(|lead| certainty(lead, pages)).unwrap_or_default();
    let line = room.keep(line);
    let tables = room.keep(tables(diagnosis));
    let findings = || diagnosis.findings.iter().take(MOST_FINDINGS);
    let messages: String = findings()
        .map(|finding| room.keep(message(diagnosis, finding)))
        .collect();
    let notes = diagnosis.notes.iter().take(MOST_LINES);
    let notes: String = notes.map(|note| room.keep(format!("> {}\n\n", inline(note)))).collect();
    out.extend(lead.map(|lead| fixes(lead, &mut room)));
    for other in findings().filter(|other| lead.is_none_or(|lead| !std::ptr::eq(*other, lead))) {
        if other.severity != Severity::Note {
            out.push_str(&also(other, &mut room));
        }
    }
    if !is_certain && diagnosis.conclusion != Conclusion::Allowed {
        out.push_str(&missing(diagnosis));
    }
    out.push_str(&notes);
    out.extend(
        diagnosis
            .told
            .as_ref()
            .map(|told| room.keep(self::told(told, lead.is_none()))),
    );
    out.push_str(&line);
    let _ = writeln!(out, "<details><summary>Evidence: {}</summary>\n", contents(diagnosis));
    out.push_str(&room.keep(facts(diagnosis, &[])));
    out.push_str(&messages);
    out.push_str(&tables);
    let sources = diagnosis
        .policy
        .iter()
        .chain(&diagnosis.caller)
        .chain(&diagnosis.claims);
    for source in sources {
        let block = fence("json", &source.text);
        out.push_str(&room.keep(format!("#### {}\n\n{block}\n", inline(&capital(&source.name)))));
    }
    out.push_str("</details>\n\n");
    if room.is_short {
        out.push_str("*Parts of the report are omitted to keep the summary within its size limit; see the log for the rest.*\n\n");
    }
    out
}

/// Both sides, one below the other, with the part that differs in bold.
fn comparison(compared: &SideBySide) -> String {
    let row = |side: &Party| {
        let more = match side.more {
            0 => String::new(),
            1 => " or one other value".to_owned(),
            more => format!(" or one of {more} other values"),
        };
        let [before, differs, after] = side.parts().map(|part| {
            let part = cut(part, MOST_CELL);
            if part.is_empty() { part } else { code(&part) }
        });
        let differs = if differs.is_empty() {
            differs
        } else {
            format!("**{differs}**")
        };
        let value = if side.value.is_empty() {
            code("")
        } else {
            [before, differs, after].concat()
        };
        format!("| **{}** {} | {}{more} |\n", side.who, side.does, cell(&value))
    };
    format!(
        "| | {} |\n|:--|:--|\n{}{}\n",
        cell(&inline(&compared.what)),
        row(&compared.left),
        row(&compared.right)
    )
}

/// The facts with these names, or all.
fn facts(diagnosis: &Diagnosis, names: &[&str]) -> String {
    let mut out = String::new();
    let shown = diagnosis.facts.iter();
    for (name, value) in shown.filter(|(name, _)| names.is_empty() || names.contains(name)) {
        if out.is_empty() {
            out.push_str("| | this run |\n|:--|:--|\n");
        }
        let _ = writeln!(out, "| {name} | {} |", cell(&code(&cut(value, 400))));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// The reason for a finding, and the lines that show it.
fn why(diagnosis: &Diagnosis, finding: &Found) -> String {
    let mut places: Vec<String> = Vec::new();
    for label in finding
        .labels
        .iter()
        .filter(|label| label.document != Document::Claims)
        .take(MOST_LINES)
    {
        if let Some(place) = place(diagnosis, label).filter(|place| !places.contains(place)) {
            places.push(place);
        }
    }
    let places = inline(&places.join("; "));
    let most = if finding.fixes.is_empty() {
        NOTES_ALONE
    } else {
        NOTES_BY_A_FIX
    };
    // The text at the first place, unless the two sides already say it.
    let first = finding.labels.first().filter(|label| match label.document {
        Document::CallerPolicy(_) | Document::TrustPolicy => finding.compares.is_none(),
        Document::Workflow => true,
        Document::Claims => false,
    });
    let said = first.map(|label| &label.text).filter(|text| !text.is_empty());
    let notes: Vec<&String> = said.into_iter().chain(finding.notes.iter().take(most)).collect();
    let (why, further) = match *notes {
        [] if places.is_empty() => return String::new(),
        [] => return format!("**Where** – {places}\n\n"),
        // A list of one is no list.
        [why, only] => (why, format!("; {}\n\n", inline(only))),
        [why, ref more @ ..] => {
            let mut further = "\n\n".to_owned();
            list(&mut further, more.iter().copied());
            (why, further)
        }
    };
    let places = if places.is_empty() {
        places
    } else {
        format!(" ({places})")
    };
    format!("**Why** – {}{places}{further}", inline(why))
}

fn list<'a>(out: &mut String, lines: impl Iterator<Item = &'a String>) {
    let before = out.len();
    for line in lines.take(MOST_LINES) {
        let _ = writeln!(out, "- {}", inline(line));
    }
    if out.len() > before {
        out.push('\n');
    }
}

/// What to do about the main finding: the first change in full, the others folded.
fn fixes(finding: &Found, room: &mut Room) -> String {
    let mut help = String::new();
    match finding.help.as_slice() {
        // With several changes, they are the options.
        _ if finding.fixes.len() > 1 => {}
        [only] => {
            let _ = writeln!(help, "**What to do** – {}\n", inline(only));
        }
        [] => {}
        [one, other] if other.starts_with("or ") => {
            let _ = writeln!(help, "**What to do** – {}, {}\n", inline(one), inline(other));
        }
        lines => {
            help.push_str("**What to do**\n\n");
            list(&mut help, lines.iter().take(MOST_HELP));
        }
    }
    let mut out = room.keep(help);
    for (i, fix) in finding.fixes.iter().enumerate() {
        let number = if finding.fixes.len() > 1 {
            format!(" {}", i + 1)
        } else {
            String::new()
        };
        let place = super::target_place(fix.target);
        let title = inline(&fix.title);
        // What a policy change opens is visible before it is made.
        let is_seen = |note: &&String| (i == 0 || fix.target == Target::TrustPolicy) && !is_about_commands(note);
        let seen: Vec<&String> = fix.notes.iter().filter(is_seen).collect();
        let mut change = change(fix);
        if i > 0 {
            list(&mut change, fix.notes.iter().filter(|note| !is_seen(note)));
        }
        let folded = if i == 0 { "" } else { &*change };
        let text = if i > 0 && seen.is_empty() {
            format!(
                "<details><summary>Fix{number}, {place}</summary>\n\n{}\n\n{change}{}</details>\n\n",
                capital(&title),
                copies(fix, "")
            )
        } else {
            let mut text = format!("**Fix{number}**, {place}: {title}");
            if let [only] = *seen {
                let _ = write!(text, " – {}", inline(only));
            }
            text.push_str("\n\n");
            if i == 0 {
                text.push_str(&change);
            }
            if seen.len() > 1 {
                list(&mut text, seen.into_iter());
            }
            text + &copies(fix, folded)
        };
        out.push_str(&room.keep(text));
    }
    out
}

/// The change: a diff, lines to write, or else the command that makes it.
fn change(fix: &Fix) -> String {
    if !fix.diff.is_empty() {
        // One hunk needs no heading: its place stands above.
        let is_only = fix.diff.lines().filter(|line| line.starts_with("@@ ")).count() < 2;
        let is_heading = |line: &str| super::is_diff_header(line) || is_only && line.starts_with("@@ ");
        let hunks = fix.diff.lines().filter(|line| !is_heading(line));
        fence("diff", &hunks.collect::<Vec<_>>().join("\n")) + "\n"
    } else if !fix.text.is_empty() {
        let language = if fix.text.starts_with('{') { "json" } else { "yaml" };
        fence(language, &fix.text) + "\n"
    } else if !fix.command.is_empty() {
        fence("shell", &fix.command) + "\n"
    } else {
        String::new()
    }
}

/// The same change in other forms, folded.
fn copies(fix: &Fix, change: &str) -> String {
    let has_change = !fix.diff.is_empty();
    let whole = if has_change && !fix.patch.is_empty() {
        &*fix.text
    } else {
        ""
    };
    let command = if has_change || !fix.text.is_empty() {
        &*fix.command
    } else {
        ""
    };
    let forms = [
        ("whole policy", "json", whole),
        ("Terraform", "hcl", &fix.terraform),
        ("CloudFormation", "yaml", &fix.cloudformation),
        ("AWS CLI", "shell", command),
    ];
    let forms: Vec<_> = forms.into_iter().filter(|(_, _, text)| !text.is_empty()).collect();
    if forms.is_empty() && change.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = forms.iter().map(|(name, ..)| *name).collect();
    let title = match (change.is_empty(), names.is_empty()) {
        (true, _) => format!("Copy: {}", names.join(" · ")),
        (false, true) => "The change".to_owned(),
        (false, false) => format!("The change · {}", names.join(" · ")),
    };
    let mut out = format!("<details><summary>{title}</summary>\n\n{change}");
    for (name, language, text) in forms {
        let _ = writeln!(out, "{}\n\n{}", capital(name), fence(language, text));
    }
    if change.is_empty() {
        list(&mut out, fix.notes.iter().filter(|note| is_about_commands(note)));
    }
    out.push_str("</details>\n\n");
    out
}

/// Another finding, in one line, with its changes folded.
fn also(finding: &Found, room: &mut Room) -> String {
    let word = match finding.severity {
        Severity::Blocks => "❌ **Also**",
        Severity::Risk => "⚠️ **Risk**",
        Severity::Note => "**Note**",
    };
    let hedge = finding.certainty().hedge();
    let mut out = room.keep(format!("{word} – {hedge}{}\n\n", inline(&finding.message)));
    for fix in &finding.fixes {
        let text = format!("{}\n\n{}", inline(&capital(&fix.title)), change(fix));
        out.push_str(&room.keep(format!(
            "<details><summary>Fix, {}</summary>\n\n{text}{}</details>\n\n",
            super::target_place(fix.target),
            copies(fix, "")
        )));
    }
    out
}

/// The fact that would make the answer more certain, how to supply it, and which others are missing.
fn missing(diagnosis: &Diagnosis) -> String {
    let Some((gap, more)) = diagnosis.gaps.split_first() else {
        return String::new();
    };
    let mut out = format!(
        "**Missing** – {}: {}. {}",
        inline(&gap.wanted),
        inline(&cut(&gap.why, MOST_CELL)),
        inline(&capital(&gap.supply))
    );
    let names: Vec<&str> = more.iter().take(MOST_GAPS).map(|gap| &*gap.wanted).collect();
    if !names.is_empty() {
        let _ = write!(out, ". Also missing: {}", inline(&names.join("; ")));
    }
    out + "\n\n"
}

/// The check, its certainty, what was proved, and where to read more.
fn certainty(finding: &Found, pages: &Pages) -> String {
    let mut out = inline(&capital(&format!("{}, `{}`", standing(finding), finding.rule.id)));
    let proofs = finding.fixes.iter().take(1).filter_map(|fix| fix.proof.as_ref());
    for proof in proofs {
        let which = if finding.fixes.len() > 1 {
            "fix 1 "
        } else {
            "the fix was "
        };
        let _ = write!(out, " · {which}{}", inline(proof));
    }
    out.extend(one_is_enough(finding.fixes.len()).map(|words| format!(" · {words}")));
    let _ = match pages.url(finding.rule) {
        Some(url) => writeln!(out, " · [why this happens]({url})\n"),
        None => writeln!(
            out,
            " · {}\n",
            code(&format!("aws-oidc-doctor explain {}", finding.rule.id))
        ),
    };
    out
}

/// The fold's contents: how far the handshake got, and the rest by name.
fn contents(diagnosis: &Diagnosis) -> String {
    let claims = if diagnosis.claims.is_some() { " · claims" } else { "" };
    format!("{} · the eight causes{claims}", handshake(diagnosis))
}

/// The handshake in one line, up to the stage that failed; without a role, up to the first undecided one.
fn handshake(diagnosis: &Diagnosis) -> String {
    let mut out = Vec::new();
    for row in &diagnosis.stages {
        let mark = match row.status {
            StageStatus::Passed => "✅",
            StageStatus::Failed => "❌",
            StageStatus::Undecided => "❓",
            StageStatus::NotReached => break,
        };
        out.push(format!("{} {mark}", row.stage.name()));
        if row.status == StageStatus::Failed || diagnosis.no_role && row.status == StageStatus::Undecided {
            break;
        }
    }
    out.join(" ")
}

/// The handshake, the eight causes, and the unknowns.
fn tables(diagnosis: &Diagnosis) -> String {
    let strong = |word: &str, is_strong: bool| {
        if is_strong {
            format!("**{word}**")
        } else {
            word.to_owned()
        }
    };
    let mut out = String::from("#### The handshake, step by step\n\n| step | | |\n|---|---|---|\n");
    for row in &diagnosis.stages {
        let _ = writeln!(
            out,
            "| {} | {} | {} |",
            row.stage.name(),
            strong(stage_word(row.status), row.status == StageStatus::Failed),
            cell(&inline(&cut(&row.detail, MOST_CELL)))
        );
    }
    out.push_str("\n#### The eight causes\n\n| # | cause | | because |\n|---|---|---|---|\n");
    for row in &diagnosis.causes {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            row.cause.number(),
            cell(&inline(row.cause.title())),
            strong(cause_word(row.status), row.status == CauseStatus::Applies),
            cell(&inline(&cut(&row.because, MOST_CELL)))
        );
    }
    out.push('\n');
    if !diagnosis.gaps.is_empty() {
        out.push_str("#### Missing information\n\n");
        for gap in &diagnosis.gaps {
            let _ = writeln!(
                out,
                "- {}: {}. How to supply it: {}",
                bold(&gap.wanted),
                inline(&cut(&gap.why, 400)),
                inline(&gap.supply)
            );
        }
        out.push('\n');
    }
    out
}

/// What the token says, and the policy that lets it in.
fn told(told: &Told, is_answer: bool) -> String {
    let mut out = String::new();
    if is_answer {
        out.push_str("| part of the subject | comes from | claim |\n|---|---|---|\n");
        for (part, place) in told.parts.iter().take(MOST_LINES) {
            let place = place.as_ref().map(|place| format!(": {place}")).unwrap_or_default();
            let claim = part.claim.as_ref().map(|claim| code(claim)).unwrap_or_default();
            let from = inline(&format!("{}{place}", part.from));
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                cell(&code(&cut(&part.text, 400))),
                cell(&from),
                cell(&claim)
            );
        }
        out.push('\n');
    }
    if let Some(command) = &told.finish {
        let words = inline(&capital(super::claims::FINISH));
        // A command can continue after a pipe, and the whole line is too wide for the screen.
        let command = command.replace(" | ", " |\n  ");
        let _ = writeln!(out, "{words}\n\n{}", fence("shell", &command));
    }
    const TITLES: [&str; 2] = [
        "The smallest trust policy that accepts this token",
        "One that later runs fit as well",
    ];
    for (fix, title) in told.least.iter().zip(TITLES) {
        let _ = writeln!(out, "<details><summary>{title}</summary>\n");
        for (name, language, text) in [
            ("JSON", "json", &fix.text),
            ("Terraform", "hcl", &fix.terraform),
            ("CloudFormation", "yaml", &fix.cloudformation),
        ] {
            let _ = writeln!(out, "{name}\n\n{}", fence(language, text));
        }
        list(&mut out, fix.notes.iter());
        out.push_str("</details>\n\n");
    }
    out
}

/// A finding in full: its message, its places, and all notes.
fn message(diagnosis: &Diagnosis, finding: &Found) -> String {
    let kind = match finding.severity {
        Severity::Blocks => "Blocks",
        Severity::Risk => "Risk",
        Severity::Note => "Note",
    };
    let mut out = format!(
        "#### {kind}: {}{}\n\n",
        finding.certainty().hedge(),
        inline(&finding.message)
    );
    let before = out.len();
    for label in finding.labels.iter().take(MOST_LINES) {
        let Some(source) = diagnosis.document(label.document) else {
            continue;
        };
        let position = source.position(label.location.span.start);
        let column = match label.document {
            Document::Claims => String::new(),
            _ => format!(", line {}, column {}", position.line, position.column),
        };
        let what = source.slice(label.location.span).lines().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "- {}{column}: {} — {}",
            inline(&source.name),
            code(&cut(what, MOST_CELL)),
            inline(&cut(&label.text, MOST_CELL))
        );
    }
    if out.len() > before {
        out.push('\n');
    }
    list(&mut out, finding.notes.iter());
    list(&mut out, finding.help.iter());
    out
}

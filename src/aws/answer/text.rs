//! A pasted message made readable: without colours, escapes, quote marks, boxes and time stamps, and searched
//! without regard to where a terminal or an issue broke its lines.

/// How far to look for what belongs together, in bytes.
const NEAR: usize = 500;

/// The longest part of a message: S3 accepts keys of 1024 bytes, and a resource repeats them.
const LONGEST: usize = 3000;

/// A tidied message, and the same without white space, to find phrases split by a line break.
#[derive(Debug)]
pub(super) struct Text {
    tidy: String,
    /// Lower case, without white space and backticks.
    squeezed: String,
    /// The offset in `tidy` of each byte of `squeezed`.
    at: Vec<usize>,
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        let tidy = tidy(text);
        let (mut squeezed, mut at) = (String::with_capacity(tidy.len()), Vec::with_capacity(tidy.len()));
        for (offset, c) in tidy.char_indices().filter(|(_, c)| counts(*c)) {
            squeezed.push(c.to_ascii_lowercase());
            at.resize(squeezed.len(), offset);
        }
        Self { tidy, squeezed, at }
    }

    /// Whether it contains one of these phrases.
    pub(super) fn has(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.squeezed.contains(&squeeze(phrase)))
    }

    /// What follows the first occurrence of a phrase.
    pub(super) fn after(&self, phrase: &str) -> Option<Rest<'_>> {
        self.all_after(phrase).next()
    }

    /// What follows each occurrence of a phrase.
    pub(super) fn all_after(&self, phrase: &str) -> impl Iterator<Item = Rest<'_>> {
        let phrase = squeeze(phrase);
        let places: Vec<(usize, usize)> = self
            .squeezed
            .match_indices(&phrase)
            .map(|(start, found)| (start, start + found.len()))
            .collect();
        places.into_iter().map(|(before, start)| Rest {
            text: self,
            before,
            start,
            end: self.squeezed.len(),
        })
    }

    /// All of it.
    pub(super) fn whole(&self) -> Rest<'_> {
        Rest {
            text: self,
            before: 0,
            start: 0,
            end: self.squeezed.len(),
        }
    }
}

/// A part of a message, from after a phrase to the end or a delimiter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    text: &'a Text,
    before: usize,
    start: usize,
    end: usize,
}

impl<'a> Rest<'a> {
    /// As written, line breaks included.
    pub(super) fn as_str(&self) -> &'a str {
        let offset = |at: usize| self.text.at.get(at).copied().unwrap_or(self.text.tidy.len());
        let text = self.text.tidy.get(offset(self.start)..offset(self.end));
        text.unwrap_or_default().trim()
    }

    /// What precedes the phrase that this part follows.
    pub(super) fn before(&self) -> &'a str {
        let end = self.text.at.get(self.before).copied().unwrap_or(self.text.tidy.len());
        self.text.tidy.get(..end).unwrap_or_default()
    }

    /// Without white space, in lower case.
    pub(super) fn squeezed(&self) -> &'a str {
        self.text.squeezed.get(self.start..self.end).unwrap_or_default()
    }

    /// Up to the first of these phrases; `None` if it contains none of them.
    pub(super) fn until(&self, phrases: &[&str]) -> Option<Self> {
        let near = self.near(LONGEST).squeezed();
        let at = phrases.iter().filter_map(|phrase| near.find(&squeeze(phrase))).min()?;
        Some(Self {
            end: self.start + at,
            ..*self
        })
    }

    /// At most this many bytes of it: what is looked for is near, and a message may be long.
    pub(super) fn near(&self, most: usize) -> Self {
        let end = self
            .text
            .squeezed
            .floor_char_boundary((self.start + most).min(self.end));
        Self { end, ..*self }
    }

    /// What follows this part in the message.
    pub(super) fn beyond(&self) -> Self {
        Self {
            before: self.end,
            start: self.end,
            end: self.text.squeezed.len(),
            ..*self
        }
    }

    /// What follows a phrase, if this part begins with it.
    pub(super) fn strip(&self, phrase: &str) -> Option<Self> {
        let phrase = squeeze(phrase);
        self.squeezed().starts_with(&phrase).then(|| Self {
            start: self.start + phrase.len(),
            ..*self
        })
    }

    /// What precedes the phrase that this part follows, from the last occurrence of another phrase on.
    pub(super) fn since(&self, phrase: &str) -> Option<Self> {
        let phrase = squeeze(phrase);
        let from = self.text.squeezed.floor_char_boundary(self.before.saturating_sub(NEAR));
        let head = self.text.squeezed.get(from..self.before)?;
        let start = from + head.rfind(&phrase)? + phrase.len();
        Some(Self {
            start,
            end: self.before,
            ..*self
        })
    }

    /// Without any white space, to rejoin an ARN or an action that a line break split.
    pub(super) fn joined(&self) -> String {
        self.as_str().chars().filter(|c| counts(*c)).collect()
    }

    /// The first word, without surrounding quotes or punctuation.
    pub(super) fn word(&self) -> &'a str {
        bare(self.as_str().split_whitespace().next().unwrap_or_default())
    }

    /// The first word, joined across line breaks until it is complete; left unjoined if it never is.
    pub(super) fn word_until(&self, is_complete: impl Fn(&str) -> bool) -> String {
        let mut lines = self.as_str().lines();
        let first = lines.next().unwrap_or_default();
        let mut joined = first.split_whitespace().next().unwrap_or_default().to_owned();
        // A word that doesn't end its line isn't split.
        if !is_complete(bare(&joined)) && first.trim() == joined {
            for line in lines.take(3) {
                let next = line.split_whitespace().next().unwrap_or_default();
                joined.push_str(next);
                if is_complete(bare(&joined)) {
                    return bare(&joined).to_owned();
                }
                if line.trim() != next {
                    break;
                }
            }
            return self.word().to_owned();
        }
        bare(&joined).to_owned()
    }

    /// The first line.
    pub(super) fn line(&self) -> &'a str {
        self.as_str().lines().next().unwrap_or_default().trim()
    }
}

/// A message made readable, on one line.
pub(crate) fn one_line(text: &str) -> String {
    tidy(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character counts in a search for phrases. Backticks get lost or added when an issue is rendered.
fn counts(c: char) -> bool {
    !c.is_whitespace() && c != '`'
}

fn squeeze(phrase: &str) -> String {
    phrase
        .chars()
        .filter(|c| counts(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// A word without surrounding quotes or closing punctuation.
fn bare(word: &str) -> &str {
    let word = word
        .strip_prefix('<')
        .filter(|url| url.starts_with("http"))
        .map_or(word, |url| url.trim_end_matches('>'));
    let word = word.trim_start_matches(['"', '\'', '`', '(']);
    // The end of a JSON string: no AWS name contains a quotation mark.
    word.split('"')
        .next()
        .unwrap_or_default()
        .trim_end_matches(['.', ',', ';', ':', '"', '\'', '`', ')'])
}

/// The start of a text.
fn near(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

fn tidy(text: &str) -> String {
    let text = entities(&escapes(text));
    let mut lines: Vec<String> = Vec::new();
    for line in without_tags(&characters(&text)).lines() {
        let line = without_prefix(line).trim_end_matches([' ', '\t', '│', '┃', '║']);
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

/// Decodes the `\"`, `\n`, `\u0027` of JSON and of printed strings, escaped once or several times.
fn escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('\\') {
        out.push_str(head);
        let escaped = tail.trim_start_matches('\\');
        let mut chars = escaped.chars();
        rest = chars.as_str();
        match chars.next() {
            Some(c @ ('"' | '\'' | '/')) => {
                out.push(c);
                rest = chars.as_str();
            }
            Some('n' | 'r') => {
                out.push('\n');
                rest = chars.as_str();
            }
            Some('t') => {
                out.push(' ');
                rest = chars.as_str();
            }
            Some('u') => match chars
                .as_str()
                .get(..4)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            {
                Some(code) => {
                    out.extend(char::from_u32(code));
                    rest = chars.as_str().get(4..).unwrap_or_default();
                }
                None => out.push('\\'),
            },
            _ => out.push('\\'),
        }
    }
    out.push_str(rest);
    out
}

/// Decodes `&#39;`, `&quot;`, `&gt;`, even if escaped again (`&amp;#39;`).
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('&') {
        out.push_str(head);
        let tail = tail.strip_prefix("amp;").unwrap_or(tail);
        let found = near(tail, 8).split_once(';');
        let decoded = found.and_then(|(name, _)| match name {
            "apos" => Some('\''),
            "gt" => Some('>'),
            "lt" => Some('<'),
            "nbsp" => Some(' '),
            "quot" => Some('"'),
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)
            }
        });
        match (decoded, found) {
            (Some(c), Some((name, _))) => {
                out.push(c);
                rest = tail.get(name.len() + 1..).unwrap_or_default();
            }
            _ => {
                out.push('&');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Removes colours and normalizes spaces, quotes and line endings.
fn characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            '\u{1b}' => after_escape(tail),
            // The escape character itself is often lost on the way, which leaves `[31m`.
            '[' => colour(tail).unwrap_or_else(|| {
                out.push('[');
                tail
            }),
            _ => {
                match c {
                    '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
                    '\n' | '\t' => out.push(c),
                    '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => {}
                    '‘' | '’' | '‚' | '‛' | '′' => out.push('\''),
                    '“' | '”' | '„' | '‟' | '″' => out.push('"'),
                    '\u{2010}' | '\u{2011}' => out.push('-'),
                    _ if c.is_whitespace() => out.push(' '),
                    _ if c.is_control() => {}
                    _ => out.push(c),
                }
                tail
            }
        };
    }
    out
}

/// What follows a terminal's escape sequence (ECMA-48, 5.4): `ESC [ … letter`, or a title, `ESC ] … BEL`.
fn after_escape(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('[') {
        let rest = rest.trim_start_matches(|c: char| matches!(c, '\u{20}'..='\u{3f}'));
        return rest.strip_prefix(|c: char| c.is_ascii()).unwrap_or(rest);
    }
    if let Some(rest) = text.strip_prefix(']') {
        let title = near(rest, NEAR)
            .split_once('\u{7}')
            .map_or(0, |(title, _)| title.len() + 1);
        return rest.get(title..).unwrap_or_default();
    }
    text
}

/// What follows the `31m` of a colour.
fn colour(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    let digits = text.len() - rest.len();
    (1..=16).contains(&digits).then(|| rest.strip_prefix('m')).flatten()
}

/// Removes XML and HTML tags around messages; a placeholder such as `<ACCOUNT_ID>` isn't one.
fn without_tags(text: &str) -> String {
    const TAGS: [&str; 18] = [
        "b",
        "br",
        "code",
        "div",
        "em",
        "error",
        "errorresponse",
        "errors",
        "hostid",
        "li",
        "message",
        "p",
        "pre",
        "requestid",
        "response",
        "span",
        "strong",
        "type",
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('<') {
        out.push_str(head);
        let name = tail.trim_start_matches('/');
        let name = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        let is_tag = TAGS.contains(&name.to_ascii_lowercase().as_str());
        match near(tail, 200).split_once('>').filter(|_| is_tag) {
            Some((tag, _)) => {
                out.push('\n');
                rest = tail.get(tag.len() + 1..).unwrap_or_default();
            }
            None => {
                out.push('<');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A line without what was put in front of it: quote marks, boxes, time stamps, the prefix of a log or a workflow command.
#[must_use]
pub(crate) fn without_prefix(line: &str) -> &str {
    let mut line = line;
    loop {
        line = line.trim_start();
        let next = line
            .strip_prefix(['>', '|', '│', '┃', '║', '╷', '╵'])
            .or_else(|| after_command(line))
            .or_else(|| after_time(line))
            .or_else(|| after_columns(line));
        match next {
            Some(next) => line = next,
            None => return line,
        }
    }
}

/// `##[error]`, `::error file=a.yml,line=1::`. (GitHub, "Workflow commands".)
fn after_command(line: &str) -> Option<&str> {
    for level in ["error", "warning", "notice", "debug"] {
        if let Some(rest) = line.strip_prefix("##[").and_then(|rest| rest.strip_prefix(level)) {
            return rest.strip_prefix(']');
        }
        if let Some(rest) = line.strip_prefix("::").and_then(|rest| rest.strip_prefix(level))
            && rest.starts_with([' ', ':'])
        {
            return rest.split_once("::").map(|(_, rest)| rest);
        }
    }
    None
}

/// `2026-10-01T10:00:00.1234567Z `, `2022/07/25 13:14:01.143145 `, `[2024-05-03T16:48:58Z `.
fn after_time(line: &str) -> Option<&str> {
    let time = line.strip_prefix('[').unwrap_or(line);
    let rest = time.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '/'));
    if time.len() - rest.len() != 10 {
        return None;
    }
    let clock = rest.strip_prefix(['T', ' '])?;
    let rest = clock.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | ',' | '+' | 'Z'));
    (clock.len() - rest.len() >= 8).then(|| rest.trim_start_matches([']', ':']))
}

/// `job<TAB>step<TAB>2026-10-01T10:00:00.1234567Z `, as `gh run view --log` prints it.
fn after_columns(line: &str) -> Option<&str> {
    line.splitn(3, '\t').nth(2).and_then(after_time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_found_under_what_was_put_on_it() {
        let plain = "Could not assume role with OIDC: Not authorized to perform sts:AssumeRoleWithWebIdentity";
        for text in [
            format!("> > {plain}"),
            format!("2026-10-01T10:00:00.1234567Z {plain}"),
            format!("2026-10-01T10:00:00.1234567Z ##[error]{plain}"),
            format!("deploy\tConfigure AWS\t2026-10-01T10:00:00.1234567Z ##[error]{plain}"),
            format!("::error::{plain}"),
            format!("::error file=deploy.yml,line=3::{plain}"),
            format!("\u{1b}[31m{plain}\u{1b}[0m"),
            format!("[31m{plain}[0m"),
            format!("\\u001b[31m{plain}"),
            format!("│ {plain} │"),
            format!("| {plain}"),
            plain.replace(' ', "\u{a0}"),
            format!("<Message>{plain}</Message>"),
            format!("&lt;Message&gt;{plain}&lt;/Message&gt;"),
            format!("\u{feff}{plain}\r\n"),
        ] {
            assert_eq!(tidy(&text), plain, "{text}");
        }
    }

    #[test]
    fn escaped_quotes_are_quotes() {
        for text in [
            "&#39;x&#39;",
            "&amp;#39;x&amp;#39;",
            "&#x27;x&#x27;",
            "\\'x\\'",
            "\\\\u0027x\\u0027",
            "‘x’",
            "&apos;x'",
        ] {
            assert_eq!(tidy(text), "'x'", "{text}");
        }
        // What isn't an escape stays: a pattern, a mask, a placeholder, a list.
        for text in [
            "[\\w+=,.@-]*",
            "a & b &c;",
            "<ACCOUNT_ID>",
            "[1,2] m",
            "[command]x",
            "*** &***",
        ] {
            assert_eq!(tidy(text), text);
        }
    }

    #[test]
    fn a_word_is_joined_over_a_line_break_only_until_it_is_complete() {
        let is_complete = |word: &str| word.ends_with("com");
        for (text, want) in [
            ("for token.act\nions.com\nNext", "token.actions.com"),
            ("for token.actions.com\nNext", "token.actions.com"),
            ("for token.act then\nions.com", "token.act"),
            ("for token.act\nnever whole", "token.act"),
        ] {
            let text = Text::new(text);
            assert_eq!(
                text.after("for ").map(|rest| rest.word_until(is_complete)).as_deref(),
                Some(want)
            );
        }
    }

    proptest! {
        /// Tidying only removes and never fails; tidied text stays as it is, except for an escape within an escape.
        #[test]
        fn any_text_is_read(text in "(?s).{0,200}|([\\\\&#x27;<>/\\[m│|:0-9TZ \\n-]|error|amp|lt){0,60}") {
            let found = Text::new(&text);
            prop_assert_eq!(found.squeezed.len(), found.at.len());
            let whole = found.whole();
            prop_assert_eq!(whole.joined().to_ascii_lowercase(), found.squeezed.as_str());
            prop_assert_eq!(found.has(&[""]), true);
        }

        /// Where a line is broken doesn't affect what is found.
        #[test]
        fn a_line_break_hides_nothing(at in 0usize..77) {
            let plain = "User: arn:aws:iam::1:user/a is not authorized to perform: sts:TagSession on resource";
            let mut broken = plain.to_owned();
            broken.insert(at, '\n');
            prop_assert!(Text::new(&broken).has(&["is not authorized to perform: sts:TagSession on resource"]));
        }
    }
}

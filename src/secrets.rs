//! What no output may contain: this run's secrets, in whatever form they come back, and whatever looks like one.
//!
//! They are removed at the boundary, before anything is kept: from every network response, and from everything a run
//! has found out. Whatever is kept may be printed anywhere.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

/// The replacement for a secret.
const MASK: &str = "***";
/// This many characters of a secret are recognized, wherever in it they are. They fill a `u128`.
const RUN: usize = 16;
/// Anything shorter isn't a secret; otherwise ordinary words would be masked.
const SHORTEST: usize = 8;
/// Only this many bytes of a secret are learned. STS accepts tokens of 20 000 characters.
const LONGEST: usize = 64 << 10;
/// How many nested encodings are undone: a URL in JSON in XML.
const LEVELS: usize = 3;
/// Passes over a text: removing one secret can join the halves of another that it split.
const PASSES: usize = 4;

/// Variables that hold a secret: AWS's, GitHub's, and the corresponding inputs.
const VARIABLES: [&str; 13] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "INPUT_AWS-ACCESS-KEY-ID",
    "INPUT_AWS-SECRET-ACCESS-KEY",
    "INPUT_AWS-SESSION-TOKEN",
    "INPUT_GITHUB-TOKEN",
];

/// Variables that hold a URL, in capitals.
const ADDRESSES: [&str; 9] = [
    "ALL_PROXY",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_STS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "INPUT_HTTP-PROXY",
    "INPUT_STS-ENDPOINT",
];

/// The secrets known so far. Clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Each secret, and whether it has been queued for the runner's masks.
    whole: HashMap<String, bool>,
    /// The runs of characters that reveal a secret, packed, by length. Shorter secrets have a run of their own length.
    runs: BTreeMap<usize, HashSet<u128, BuildHasherDefault<Folded>>>,
    /// Still to be handed to the runner's masks.
    fresh: Vec<String>,
}

impl Secrets {
    /// The secrets in an environment. The runner masks them already.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let secrets = Self::default();
        for (name, value) in variables {
            if VARIABLES.contains(&name) {
                secrets.know(value);
            } else if ADDRESSES.contains(&&*name.to_ascii_uppercase()) {
                secrets.know_address(value);
            }
        }
        secrets
    }

    /// Learns a secret that the runner masks already.
    pub fn know(&self, secret: &str) {
        self.known().learn(secret);
    }

    /// Learns the password and the signed query of a URL.
    pub fn know_address(&self, address: &str) {
        let (_, query) = address.split_once('?').unwrap_or_default();
        for field in query.split(['&', '#']) {
            let value = field.split_once('=').map_or(field, |(_, value)| value);
            // A shorter one may be a region or a version.
            if value.len() >= RUN {
                self.know(value);
            }
        }
        let Some(login) = login(address).and_then(|login| address.get(login)) else {
            return;
        };
        let (name, password) = login.split_once(':').unwrap_or(("", login));
        let plain = |text| percent_decode_str(text).decode_utf8_lossy();
        self.know(password);
        self.know(&plain(password));
        self.know(&STANDARD.encode(format!("{}:{}", plain(name), plain(password))));
    }

    /// Adds a new secret: it is known from here on, and waits for [`Self::hand_over`]. Text that could be an ordinary
    /// word isn't a secret, whatever anyone calls it.
    pub fn add(&self, secret: &str) {
        let secret = secret.trim();
        if !is_mixed(secret) || secret.contains(char::is_whitespace) {
            return;
        }
        let mut known = self.known();
        known.learn(secret);
        if let Some(masked) = known.whole.get_mut(secret).filter(|masked| !**masked) {
            *masked = true;
            known.fresh.push(secret.to_owned());
        }
    }

    /// Hands all new secrets to the runner's masks.
    pub fn hand_over(&self, mask: &dyn Fn(&str)) {
        let fresh = std::mem::take(&mut self.known().fresh);
        for secret in fresh {
            mask(&secret);
        }
    }

    /// The text with `***` for every secret and for whatever looks like one: whole or in part, split or encoded. Takes
    /// time proportional to the text's length.
    #[must_use]
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.known();
        let mut text = Cow::Borrowed(text);
        for _ in 0..PASSES {
            match known.pass(&text) {
                Some(clean) => text = Cow::Owned(clean),
                None => return text,
            }
        }
        match known.pass(&text) {
            // Only someone smuggling a secret through would write this.
            Some(_) => Cow::Borrowed(MASK),
            None => text,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Secrets")
    }
}

/// The text with `***` for whatever looks like a token, which was pasted in the wrong place and must not be repeated.
#[must_use]
pub(crate) fn without_tokens(text: &str) -> Cow<'_, str> {
    Secrets::default().scrub(text)
}

/// A URL without user name, password and query.
#[must_use]
pub(crate) fn bare_address(address: &str) -> String {
    let mut bare = address.to_owned();
    bare.truncate(address.find(['?', '#']).unwrap_or(address.len()));
    if let Some(login) = login(&bare) {
        bare.replace_range(login.start..=login.end, "");
    }
    bare
}

/// The range of a URL's user name and password.
fn login(address: &str) -> Option<Range<usize>> {
    let start = address.find("://").map_or(0, |at| at + 3);
    let rest = address.get(start..)?;
    let host = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    Some(start..start + host.rfind('@')?)
}

impl Known {
    fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        let bytes = secret.as_bytes();
        let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
        let tight: Vec<u8> = bytes.iter().copied().filter_map(tight).collect();
        if self.whole.contains_key(secret) || tight.len() < SHORTEST {
            return;
        }
        if tight.len() < RUN {
            if is_mixed(secret) {
                self.whole.insert(secret.to_owned(), false);
                self.runs.entry(tight.len()).or_default().insert(packed(&tight));
            }
            return;
        }
        self.whole.insert(secret.to_owned(), false);
        self.learn_runs(&tight);
        let mut plain: Vec<u8> = bytes.iter().copied().filter_map(loose).collect();
        self.learn_runs(&plain);
        plain.reverse();
        self.learn_runs(&plain);
        let mut hex = String::new();
        for byte in bytes {
            let _ = write!(hex, "{byte:02x}");
        }
        self.learn_runs(hex.as_bytes());
        // Base64 of a longer text contains the secret at one of three offsets; the characters at the ends mix in neighbouring bits.
        for offset in 0..3 {
            let mut padded = vec![0; offset];
            padded.extend_from_slice(bytes);
            let encoded = STANDARD_NO_PAD.encode(&padded).into_bytes();
            let own = encoded.get((offset * 8).div_ceil(6)..encoded.len() - usize::from(padded.len() % 3 != 0));
            let plain: Vec<u8> = own.unwrap_or_default().iter().copied().filter_map(loose).collect();
            self.learn_runs(&plain);
        }
    }

    fn learn_runs(&mut self, form: &[u8]) {
        let runs = self.runs.entry(RUN).or_default();
        let says = |run: &&[u8]| run.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() >= RUN / 2;
        runs.extend(form.windows(RUN).filter(says).map(packed));
    }

    /// The text with everything found in it masked; `None` if nothing is.
    fn pass(&self, text: &str) -> Option<String> {
        let mut found = self.find(text);
        let mut view = Decoded::from(text, None);
        for _ in 1..LEVELS {
            let Some(decoded) = view else { break };
            let within = self.find(&decoded.text);
            found.extend(within.into_iter().map(|range| decoded.outside(&range)));
            view = Decoded::from(&decoded.text, Some(&decoded));
        }
        found.retain(|range| {
            text.get(range.clone())
                .is_some_and(|found| found.bytes().any(|byte| byte != b'*'))
        });
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|range| range.start);
        let mut clean = String::new();
        let mut end = None;
        for range in found {
            // Overlapping or adjacent ranges are one secret.
            if end.is_none_or(|end| end < range.start) {
                clean += text.get(end.unwrap_or_default()..range.start).unwrap_or_default();
                clean += MASK;
            }
            end = end.max(Some(range.end));
        }
        clean += text.get(end.unwrap_or_default()..).unwrap_or_default();
        Some(clean)
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if !self.runs.is_empty() {
            self.find_runs(text, tight, &mut found);
            self.find_runs(text, loose, &mut found);
        }
        find_tokens(text, &mut found);
        found
    }

    fn find_runs(&self, text: &str, fold: fn(u8) -> Option<u8>, found: &mut Vec<Range<usize>>) {
        let mut window = 0_u128;
        let mut starts = VecDeque::with_capacity(RUN);
        for (at, byte) in text.bytes().enumerate() {
            let Some(byte) = fold(byte) else { continue };
            window = window << 8 | u128::from(byte);
            if starts.len() == RUN {
                starts.pop_front();
            }
            starts.push_back(at);
            for (&length, runs) in &self.runs {
                let Some(&start) = starts.len().checked_sub(length).and_then(|first| starts.get(first)) else {
                    continue;
                };
                let run = window & (u128::MAX >> (8 * (RUN - length)));
                if !runs.contains(&run) {
                    continue;
                }
                match found.last_mut().filter(|last| last.start <= start && start <= last.end) {
                    Some(last) => last.end = last.end.max(at + 1),
                    None => found.push(start..at + 1),
                }
            }
        }
    }
}

/// Letters and digits, in one case; all punctuation is alike, so `.` for `/` makes no difference.
fn tight(byte: u8) -> Option<u8> {
    loose(byte).or(byte.is_ascii_punctuation().then_some(b'-'))
}

/// Letters and digits only, in one case, so that nothing between them makes a difference.
fn loose(byte: u8) -> Option<u8> {
    byte.is_ascii_alphanumeric().then_some(byte.to_ascii_lowercase())
}

fn packed(run: &[u8]) -> u128 {
    run.iter().fold(0, |packed, &byte| packed << 8 | u128::from(byte))
}

/// Halves the search time. Colliding runs gain an attacker nothing: nobody chooses what is in the set.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        let spread = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        spread ^ (spread >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, run: u128) {
        let folded = run ^ (run >> 64).rotate_left(29);
        self.0 = folded
            .to_le_bytes()
            .first_chunk()
            .map_or(0, |half| u64::from_le_bytes(*half));
    }
}

/// Whether a text is long enough, and of enough kinds of characters, not to be a word.
fn is_mixed(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| usize::from(text.as_bytes().iter().any(kind));
    let kinds = has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit);
    text.len() >= SHORTEST && kinds >= 2
}

/// A text with its escapes undone, and the original offset of each byte.
struct Decoded {
    text: String,
    /// One more entry than there are bytes.
    at: Vec<usize>,
}

impl Decoded {
    /// `None` if there is nothing to undo.
    fn from(text: &str, outer: Option<&Self>) -> Option<Self> {
        let mut end = text.find(['%', '\\', '&'])?;
        let start = end;
        let outside = |at: usize| match outer {
            Some(outer) => outer.at.get(at).copied().unwrap_or_default(),
            None => at,
        };
        let mut decoded = Self {
            text: text.get(..start)?.to_owned(),
            at: (0..start).map(outside).collect(),
        };
        let mut any = false;
        for (at, letter) in text.char_indices() {
            if at < end {
                continue;
            }
            let found = escape(text.get(at..)?);
            any |= found.is_some();
            let (letter, length) = found.unwrap_or((letter, letter.len_utf8()));
            decoded.text.push(letter);
            decoded.at.resize(decoded.text.len(), outside(at));
            end = at + length;
        }
        decoded.at.push(outside(text.len()));
        any.then_some(decoded)
    }

    /// The range in the original text.
    fn outside(&self, range: &Range<usize>) -> Range<usize> {
        let at = |at: usize| self.at.get(at).copied().unwrap_or_default();
        at(range.start)..at(range.end)
    }
}

/// The URL, JSON or XML escape that a text begins with: what it stands for, and its length.
fn escape(text: &str) -> Option<(char, usize)> {
    const LONGEST_ENTITY: usize = 12;
    let number = |digits: Option<&str>, radix| {
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(digits, radix).ok()?;
        // Secrets contain no other characters, and a placeholder keeps the offsets simple.
        Some(char::from_u32(code).filter(char::is_ascii).unwrap_or(' '))
    };
    match text.as_bytes() {
        [b'%', b'u' | b'U', ..] => Some((number(text.get(2..6), 16)?, 6)),
        [b'%', ..] => Some((number(text.get(1..3), 16)?, 3)),
        [b'\\', b'u', ..] => Some((number(text.get(2..6), 16)?, 6)),
        [b'\\', b'x', ..] => Some((number(text.get(2..4), 16)?, 4)),
        [b'\\', b'n' | b'r' | b't' | b'b' | b'f', ..] => Some((' ', 2)),
        [b'\\', sign, ..] if sign.is_ascii_punctuation() => Some((char::from(*sign), 2)),
        [b'&', rest @ ..] => {
            let length = rest.iter().take(LONGEST_ENTITY).position(|&byte| byte == b';')?;
            let name = text.get(1..=length)?;
            let letter = match name.strip_prefix('#') {
                Some(code) => match code.strip_prefix(['x', 'X']) {
                    Some(code) => number(Some(code), 16)?,
                    None => number(Some(code), 10)?,
                },
                None => match name {
                    "amp" => '&',
                    "apos" => '\'',
                    "gt" => '>',
                    "lt" => '<',
                    "nbsp" => ' ',
                    "quot" => '"',
                    _ => return None,
                },
            };
            Some((letter, length + 2))
        }
        _ => None,
    }
}

/// Finds whatever looks like a token or a key, whoever issued it.
fn find_tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let mut end = 0;
    for (at, byte) in text.bytes().enumerate() {
        let looks: fn(&str) -> Option<Range<usize>> = match byte {
            _ if at < end => continue,
            b':' => password,
            b'A' => secret_key,
            b'F' | b'I' => session_token,
            b'Z' | b'e' => jwt,
            b'g' => github_token,
            b'S' | b's' => labelled,
            _ => continue,
        };
        let Some(range) = text.get(at..).and_then(looks) else {
            continue;
        };
        found.push(at + range.start..at + range.end);
        // A key id is examined on its own, and so is the text between it and its secret.
        if byte != b'A' {
            end = at + range.end;
        }
    }
}

/// A JWT, as is or in base64.
fn jwt(text: &str) -> Option<Range<usize>> {
    const INNER: usize = 24;
    let is_jwt = if text.starts_with("eyJ") {
        is_json(text.as_bytes())
    } else {
        let inner = text.get(..INNER).filter(|text| text.starts_with("ZXlK"));
        inner
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .is_some_and(|inner| is_json(&inner))
    };
    is_jwt.then(|| 0..token_length(text))
}

/// Whether the text begins with JSON in base64, as a token's header and payload do.
fn is_json(text: &[u8]) -> bool {
    const ENOUGH: usize = 16;
    let head = text.get(..ENOUGH).and_then(|head| URL_SAFE_NO_PAD.decode(head).ok());
    head.is_some_and(|head| head.iter().all(|byte| matches!(byte, b' '..=b'~')))
}

/// An AWS session token, which begins with an origin in base64.
fn session_token(text: &str) -> Option<Range<usize>> {
    const LEAST: usize = 32;
    let begins = ["FQoDYXdz", "FQoGZXIvYXdz", "FwoGZXIvYXdz", "IQoJb3JpZ2lu"];
    if !begins.iter().any(|start| text.starts_with(start)) {
        return None;
    }
    let length = token_length(text);
    (length >= LEAST).then_some(0..length)
}

/// One of GitHub's own tokens. (GitHub documentation, "About authentication to GitHub".)
fn github_token(text: &str) -> Option<Range<usize>> {
    const LEAST: usize = 16;
    let begins = ["gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_"];
    let rest = begins.iter().find_map(|start| text.strip_prefix(start))?;
    let length = rest
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(rest.len());
    (length >= LEAST).then(|| 0..text.len() - rest.len() + length)
}

/// The secret access key near an access key id. (IAM User Guide, "IAM identifiers": `AKIA`, `ASIA`.)
fn secret_key(text: &str) -> Option<Range<usize>> {
    const ID: usize = 20;
    const KEY: usize = 40;
    const NEAR: usize = 200;
    let id = text
        .get(..ID)
        .filter(|id| id.starts_with("AKIA") || id.starts_with("ASIA"))?;
    if !id
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        return None;
    }
    let mut start = ID;
    for (at, byte) in text.bytes().enumerate().skip(ID).take(NEAR) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') {
            continue;
        }
        if at - start == KEY && text.get(start..at).is_some_and(is_random) {
            return Some(start..at);
        }
        start = at + 1;
    }
    let last = text.get(start..).filter(|rest| rest.len() == KEY && is_random(rest));
    last.map(|_| start..text.len())
}

/// A value labelled as an AWS key or token.
fn labelled(text: &str) -> Option<Range<usize>> {
    const SEPARATORS: usize = 12;
    const ENOUGH: usize = 64;
    let after = |label: &str| {
        let mut letters = text.char_indices();
        for wanted in label.chars() {
            let next = letters.find(|(_, letter)| !matches!(letter, '-' | '_' | ' '));
            next.filter(|(_, letter)| letter.to_ascii_lowercase() == wanted)?;
        }
        Some(letters.offset())
    };
    let labels = ["secretaccesskey", "securitytoken", "sessiontoken", "signature"];
    let start = labels.into_iter().find_map(after)?;
    let rest = text.get(start..)?;
    let separators = rest.find(|letter: char| !letter.is_whitespace() && !"\"'\\:=>".contains(letter))?;
    let value = rest.get(separators..)?;
    let head: String = value
        .chars()
        .take(ENOUGH)
        .take_while(|letter| is_part(*letter))
        .collect();
    let is_hex = head.len() == ENOUGH && head.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_value = (1..=SEPARATORS).contains(&separators) && head.len() >= RUN && (is_hex || is_random(&head));
    is_value.then(|| start + separators..start + separators + token_length(value))
}

/// The password in a URL.
fn password(text: &str) -> Option<Range<usize>> {
    const START: usize = 3;
    let rest = text.strip_prefix("://")?;
    let ends =
        |letter: char| letter.is_whitespace() || matches!(letter, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '`');
    let host = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
    let end = host.rfind('@')?;
    let start = host.get(..end)?.find(':')? + 1;
    (start < end).then_some(START + start..START + end)
}

/// The length of a token in bytes, even if it was broken into lines or words.
fn token_length(text: &str) -> usize {
    const MOST_ODD: usize = 2;
    let run = |text: &str| text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    let mut length = run(text);
    let mut odd = 0;
    let mut ahead = length;
    while let Some(rest) = text.get(ahead..) {
        let next = rest.trim_start();
        let piece = next.get(..run(next)).unwrap_or_default();
        if next.len() == rest.len() || piece.is_empty() {
            break;
        }
        ahead += rest.len() - next.len() + piece.len();
        if is_piece(piece) {
            (length, odd) = (ahead, 0);
        } else if odd == MOST_ODD {
            break;
        } else {
            odd += 1;
        }
    }
    length
}

fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '=' | '+' | '/')
}

/// Whether text after white space is another piece of the token. No word is that long, or that mixed.
fn is_piece(text: &str) -> bool {
    const LINE: usize = 24;
    const WORD: usize = 16;
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    text.len() >= LINE || text.len() >= WORD && is_mixed || is_random(text)
}

fn is_random(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;

//! Compares one value of the policy with one value of the request.
//!
//! Always in the positive sense: the calling code inverts negated operators. The rules are those of the IAM User
//! Guide, `reference_policies_elements_condition_operators`; what it leaves open is [`Outcome::Unknown`] with the reason.

use super::limits::Limits;
use super::masked::{self, Rule};
use super::operator::Comparison;
use super::variables::{Resolved, resolve};
use super::wildcard::{self, Pattern};
use super::{Outcome, Parted, RequestContext};
use crate::text::masked::{Masked, is_masked};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

/// Whether a value of the policy matches a value of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) outcome: Outcome,
    /// Why, if the comparison itself doesn't say so.
    pub(super) because: Option<&'static str>,
    /// Whether it fails to match because a policy variable has no value.
    pub(super) is_null: bool,
}

impl Fit {
    fn of(fits: bool) -> Self {
        Self {
            outcome: if fits { Outcome::Match } else { Outcome::NoMatch },
            because: None,
            is_null: false,
        }
    }

    fn unknown(because: &'static str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            because: Some(because),
            is_null: false,
        }
    }

    fn null() -> Self {
        Self {
            outcome: Outcome::NoMatch,
            because: Some("a policy variable in it has no value in this request"),
            is_null: true,
        }
    }

    /// Two readings of what AWS leaves open: if they agree, it doesn't matter.
    fn either(a: Self, b: Self, because: &'static str) -> Self {
        if a.outcome == b.outcome {
            a
        } else {
            Self::unknown(because)
        }
    }
}

/// Compares the two. `variables` is the request if the policy's version has variables.
pub(super) fn compare(
    comparison: Comparison,
    wanted: &str,
    actual: &str,
    variables: Option<&RequestContext>,
    has_masks: bool,
    limits: &Limits,
) -> Fit {
    let positive = comparison.positive();
    if has_masks && let Some(outcome) = hidden(positive, wanted, actual, variables) {
        return Fit {
            because: (outcome == Outcome::Unknown).then_some(MASKED),
            outcome,
            is_null: false,
        };
    }
    let Some(request) =
        variables.filter(|_| memchr::memchr(b'$', wanted.as_bytes()).is_some() && wanted.contains("${"))
    else {
        if !limits.take(steps(positive, wanted, actual)) {
            return Fit::unknown(USED_UP);
        }
        return plain(positive, wanted, actual);
    };
    if positive == Comparison::Bool {
        return Fit::unknown("AWS's pages differ on whether `Bool` accepts policy variables");
    }
    if !takes_variables(positive) {
        return Fit::unknown(
            "AWS replaces no policy variables in this operator, and does not say how it then reads `${`",
        );
    }
    if !limits.take(REPLACING * count(wanted)) {
        return Fit::unknown(USED_UP);
    }
    let text = match resolve(wanted, request, limits) {
        Resolved::Null => return Fit::null(),
        Resolved::Unclear(because) => return Fit::unknown(because),
        Resolved::Text(text) => text,
    };
    if !limits.take(steps_of_replaced(positive, &text.text, actual)) {
        return Fit::unknown(USED_UP);
    }
    if has_masks && is_masked(&text.text) {
        return Fit::unknown(MASKED);
    }
    if positive.is_arn() && text.shifts_fields {
        return Fit::unknown("a policy variable brings a colon into a field of the ARN");
    }
    let fit = match positive {
        Comparison::StringLike | Comparison::ArnEquals | Comparison::ArnLike => {
            let strict = with_wildcards(positive, &text.strict(), actual);
            let loose = with_wildcards(positive, &text.loose(), actual);
            Fit::either(
                strict,
                loose,
                "AWS does not say whether `*` and `?` that a policy variable brings are wildcards",
            )
        }
        _ => plain(positive, &text.text, actual),
    };
    match fit.outcome {
        _ if !text.has_empty => fit,
        Outcome::NoMatch => Fit::null(),
        _ => Fit::unknown("a policy variable stands for an empty value, and AWS does not say what that gives"),
    }
}

/// The outcome if part of either is hidden.
fn hidden(positive: Comparison, wanted: &str, actual: &str, variables: Option<&RequestContext>) -> Option<Outcome> {
    let rule = match positive {
        Comparison::StringEqualsIgnoreCase => Rule::IgnoringCase,
        Comparison::StringLike | Comparison::ArnEquals | Comparison::ArnLike => Rule::Wildcards,
        _ => Rule::Equal,
    };
    let outcome = masked::fit(wanted, actual, rule)?;
    let decided = match positive {
        Comparison::StringEquals | Comparison::StringEqualsIgnoreCase | Comparison::StringLike => true,
        // What matches field by field matches as a whole, too.
        Comparison::ArnEquals | Comparison::ArnLike => outcome == Outcome::NoMatch,
        _ => false,
    };
    let is_plain = variables.is_none()
        || !Masked::read(wanted).map_or_else(
            || wanted.contains("${"),
            |masked| masked.known().any(|known| known.contains("${")),
        );
    Some(if decided && is_plain { outcome } else { Outcome::Unknown })
}

/// Why the outcome of a partly hidden value is unknown.
pub(super) const MASKED: &str = "it is partly masked, and the hidden part decides";

const USED_UP: &str = "there is too much to compare";

/// Resolving a variable takes about as long as comparing this many characters for each of its own.
const REPLACING: u64 = 16;

/// The maximum cost of a comparison, in characters compared: about a nanosecond each.
pub(super) fn steps(positive: Comparison, wanted: &str, actual: &str) -> u64 {
    let bytes = count(wanted) + count(actual);
    match positive {
        Comparison::StringEquals | Comparison::Bool => 16 + bytes / 8,
        Comparison::StringEqualsIgnoreCase if wanted.is_ascii() && actual.is_ascii() => 16 + bytes / 4,
        Comparison::StringEqualsIgnoreCase => 128 + 10 * bytes,
        Comparison::StringLike | Comparison::ArnEquals | Comparison::ArnLike => {
            32 + bytes + searching(wanted, actual, false)
        }
        Comparison::DateEquals
        | Comparison::DateLessThan
        | Comparison::DateLessThanEquals
        | Comparison::DateGreaterThan
        | Comparison::DateGreaterThanEquals => 192 + 4 * bytes,
        _ => 64 + bytes,
    }
}

/// The same for a value whose variables were replaced: their values are compared both as text and as wildcards.
fn steps_of_replaced(positive: Comparison, wanted: &str, actual: &str) -> u64 {
    4 * steps(positive, wanted, actual) + 16 * count(wanted) + searching(wanted, actual, true)
}

/// The text between two stars has to be searched for; with a `?` in it, it is tried at each position. `as_one` if a star
/// may be literal.
fn searching(pattern: &str, actual: &str, as_one: bool) -> u64 {
    if memchr::memchr(b'?', pattern.as_bytes()).is_none() {
        return 0;
    }
    let mut pieces = pattern.split('*');
    pieces.next();
    pieces.next_back();
    let longest = if as_one {
        Some(count(pattern))
    } else {
        pieces.filter(|piece| piece.contains('?')).map(count).max()
    };
    longest.map_or(0, |longest| count(actual) * (longest.min(64) + longest / 8))
}

fn count(text: &str) -> u64 {
    text.len() as u64
}

/// The policy's value as compared: with its variables replaced, if it has any and they can be.
pub(super) fn resolved<'a>(
    comparison: Comparison,
    wanted: &'a str,
    variables: Option<&RequestContext>,
) -> Cow<'a, str> {
    match variables {
        Some(request) if wanted.contains("${") && takes_variables(comparison.positive()) => {
            match resolve(wanted, request, &Limits::unlimited()) {
                Resolved::Text(text) => Cow::Owned(text.text),
                Resolved::Null | Resolved::Unclear(_) => Cow::Borrowed(wanted),
            }
        }
        _ => Cow::Borrowed(wanted),
    }
}

/// How far a string or an ARN that doesn't match got.
pub(super) fn parted(
    comparison: Comparison,
    wanted: &str,
    actual: &str,
    variables: Option<&RequestContext>,
    has_masks: bool,
) -> Option<Parted> {
    let positive = comparison.positive();
    if has_masks && masked::fit(wanted, actual, Rule::Equal).is_some() {
        return None;
    }
    let text = match variables {
        Some(request) if wanted.contains("${") => match resolve(wanted, request, &Limits::unlimited()) {
            Resolved::Text(text) => Some(text),
            Resolved::Null | Resolved::Unclear(_) => return None,
        },
        _ => None,
    };
    let pattern = text
        .as_ref()
        .map_or_else(|| Pattern::new(wanted), super::variables::Text::strict);
    match positive {
        Comparison::StringEquals => Some(common_prefix(pattern.text(), actual, |a, b| a == b)),
        Comparison::StringEqualsIgnoreCase => {
            Some(common_prefix(pattern.text(), actual, |a, b| a.eq_ignore_ascii_case(&b)))
        }
        Comparison::StringLike => pattern.parted(actual),
        Comparison::ArnEquals | Comparison::ArnLike => arn_parted(&pattern, actual),
        _ => None,
    }
}

/// "You can use a policy variable … in any condition that involves the string operators or the ARN operators"
/// (`reference_policies_variables`).
fn takes_variables(positive: Comparison) -> bool {
    positive.is_string() || positive.is_arn()
}

fn plain(positive: Comparison, wanted: &str, actual: &str) -> Fit {
    match positive {
        Comparison::StringEquals => Fit::of(wanted == actual),
        Comparison::StringEqualsIgnoreCase => ignoring_case(wanted, actual),
        Comparison::StringLike => Fit::of(wildcard::matches(wanted, actual)),
        Comparison::ArnEquals | Comparison::ArnLike => with_wildcards(positive, &Pattern::new(wanted), actual),
        Comparison::Bool => boolean(wanted, actual),
        Comparison::BinaryEquals => binary(wanted, actual),
        Comparison::IpAddress => ip_address(wanted, actual),
        Comparison::NumericEquals => numeric(wanted, actual, |order| order.is_eq()),
        Comparison::NumericLessThan => numeric(wanted, actual, |order| order.is_lt()),
        Comparison::NumericLessThanEquals => numeric(wanted, actual, |order| order.is_le()),
        Comparison::NumericGreaterThan => numeric(wanted, actual, |order| order.is_gt()),
        Comparison::NumericGreaterThanEquals => numeric(wanted, actual, |order| order.is_ge()),
        Comparison::DateEquals => date(wanted, actual, |order| order.is_eq()),
        Comparison::DateLessThan => date(wanted, actual, |order| order.is_lt()),
        Comparison::DateLessThanEquals => date(wanted, actual, |order| order.is_le()),
        Comparison::DateGreaterThan => date(wanted, actual, |order| order.is_gt()),
        Comparison::DateGreaterThanEquals => date(wanted, actual, |order| order.is_ge()),
        // `Null` looks at the key, not at values; negated operators never get here.
        Comparison::Null
        | Comparison::StringNotEquals
        | Comparison::StringNotEqualsIgnoreCase
        | Comparison::StringNotLike
        | Comparison::NumericNotEquals
        | Comparison::DateNotEquals
        | Comparison::NotIpAddress
        | Comparison::ArnNotEquals
        | Comparison::ArnNotLike => Fit::unknown("there is nothing to compare"),
    }
}

fn with_wildcards(positive: Comparison, pattern: &Pattern<'_>, actual: &str) -> Fit {
    if positive == Comparison::StringLike {
        Fit::of(pattern.matches(actual))
    } else {
        arn(pattern, actual)
    }
}

fn ignoring_case(wanted: &str, actual: &str) -> Fit {
    if wanted.eq_ignore_ascii_case(actual) {
        return Fit::of(true);
    }
    if wanted.is_ascii() && actual.is_ascii() {
        return Fit::of(false);
    }
    if folded(wanted) == folded(actual) {
        return Fit::unknown("AWS does not say how it ignores case outside ASCII");
    }
    Fit::of(false)
}

/// Folds together whatever any case-insensitive rule treats as equal: `ß`, `ẞ` and `ss`; `i`, `ı` and `İ`; `k` and the
/// Kelvin sign.
fn folded(text: &str) -> String {
    let text = text.to_lowercase().to_uppercase().to_lowercase();
    // `İ` becomes `i` and a combining dot.
    text.replace("i\u{307}", "i")
}

/// "Each of the six colon-delimited components of the ARN is checked separately and each can include … wildcards";
/// `ArnEquals` and `ArnLike` "behave identically".
fn arn(pattern: &Pattern<'_>, actual: &str) -> Fit {
    let Some(actual_fields) = arn_fields(actual) else {
        return Fit::of(false);
    };
    if !has_fields(pattern) {
        return if pattern.matches(actual) {
            Fit::unknown("AWS does not say what an ARN operator makes of a value that is not an ARN")
        } else {
            Fit::of(false)
        };
    }
    let mut fields = pattern.split(':', ARN_FIELDS).zip(actual_fields);
    Fit::of(fields.all(|(wanted, actual)| wanted.matches(actual)))
}

fn arn_parted(pattern: &Pattern<'_>, actual: &str) -> Option<Parted> {
    let actual_fields = arn_fields(actual).filter(|_| has_fields(pattern))?;
    let mut start = Parted { pattern: 0, value: 0 };
    for (wanted, actual) in pattern.split(':', ARN_FIELDS).zip(actual_fields) {
        if let Some(parted) = wanted.parted(actual) {
            return Some(Parted {
                pattern: start.pattern + parted.pattern,
                value: start.value + parted.value,
            });
        }
        start.pattern += wanted.text().len() + 1;
        start.value += actual.len() + 1;
    }
    None
}

/// `arn:partition:service:region:account:resource`; further colons belong to the resource.
fn arn_fields(text: &str) -> Option<[&str; ARN_FIELDS]> {
    let mut fields = text.splitn(ARN_FIELDS, ':');
    let fields = [
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    ];
    (fields.first() == Some(&"arn")).then_some(fields)
}

const ARN_FIELDS: usize = 6;

fn has_fields(pattern: &Pattern<'_>) -> bool {
    pattern.text().splitn(ARN_FIELDS, ':').count() == ARN_FIELDS
}

/// Where two different texts diverge.
fn common_prefix(wanted: &str, actual: &str, same: impl Fn(char, char) -> bool) -> Parted {
    let mut wanted_chars = wanted.chars();
    let mut actual_chars = actual.chars();
    loop {
        let (wanted_rest, actual_rest) = (wanted_chars.as_str(), actual_chars.as_str());
        match (wanted_chars.next(), actual_chars.next()) {
            (Some(a), Some(b)) if same(a, b) => {}
            _ => {
                return Parted {
                    pattern: wanted.len() - wanted_rest.len(),
                    value: actual.len() - actual_rest.len(),
                };
            }
        }
    }
}

fn boolean(wanted: &str, actual: &str) -> Fit {
    // Case is ignored, as reported for IAM's policy simulator and as in iam-simulate (`docs/evaluation.md`).
    let truth = |text: &str| truth(&text.to_ascii_lowercase());
    match (truth(wanted), truth(actual)) {
        (Some(wanted), Some(actual)) => Fit::of(wanted == actual),
        (None, _) => Fit::unknown("the policy's value is neither `true` nor `false`"),
        (_, None) => Fit::unknown("the request's value is neither `true` nor `false`"),
    }
}

/// AWS documents `true` and `false`, and no other spelling.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// "Compares the value of the specified key byte for byte against a base-64 encoded representation of the binary value
/// in the policy"; in AWS's example the request value is base 64, too.
fn binary(wanted: &str, actual: &str) -> Fit {
    let Ok(bytes) = STANDARD.decode(wanted) else {
        return Fit::unknown("the policy's value is not base 64");
    };
    if wanted == actual {
        return Fit::of(true);
    }
    if bytes == actual.as_bytes() {
        return Fit::unknown("AWS does not say whether the request's value is compared encoded or not");
    }
    Fit::of(false)
}

/// "If you specify an IP address without the associated routing prefix, IAM uses the default prefix value of `/32`."
fn ip_address(wanted: &str, actual: &str) -> Fit {
    let Ok(actual) = actual.parse::<IpAddr>() else {
        return Fit::unknown("the request's value is not an IP address");
    };
    if let Ok(address) = wanted.parse::<IpAddr>() {
        let exact = in_network(IpNet::from(address), actual);
        return match IpNet::new(address, 32) {
            Ok(network) => Fit::either(
                exact,
                in_network(network.trunc(), actual),
                "AWS gives `/32` as the prefix of an address without one, which leaves IPv6 open",
            ),
            Err(_) => exact,
        };
    }
    let Ok(network) = wanted.parse::<IpNet>() else {
        return Fit::unknown("the policy's value is neither an IP address nor a range");
    };
    if network == network.trunc() {
        return in_network(network, actual);
    }
    match in_network(network.trunc(), actual) {
        fit if fit.outcome == Outcome::NoMatch => fit,
        _ => Fit::unknown("the policy's range has bits beyond its prefix, and AWS does not say what that gives"),
    }
}

fn in_network(network: IpNet, actual: IpAddr) -> Fit {
    if network.contains(&actual) {
        return Fit::of(true);
    }
    let is_mapped = match (network, actual) {
        (IpNet::V4(network), IpAddr::V6(actual)) => {
            actual.to_ipv4_mapped().is_some_and(|actual| network.contains(&actual))
        }
        (IpNet::V6(network), IpAddr::V4(actual)) => {
            network.prefix_len() >= MAPPED_PREFIX && network.contains(&actual.to_ipv6_mapped())
        }
        _ => false,
    };
    if is_mapped {
        return Fit::unknown("AWS does not say whether an IPv4 address and its IPv6 form are the same");
    }
    Fit::of(false)
}

/// IPv4-mapped IPv6 addresses are in `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = 96;

fn numeric(wanted: &str, actual: &str, holds: impl Fn(Ordering) -> bool) -> Fit {
    match (number(wanted), number(actual)) {
        (Some(wanted), Some(actual)) => match actual.partial_cmp(&wanted) {
            Some(order) => Fit::of(holds(order)),
            None => Fit::unknown("one of the values is not a number"),
        },
        (None, _) => Fit::unknown("the policy's value is not an integer or decimal number"),
        (_, None) => Fit::unknown("the request's value is not an integer or decimal number"),
    }
}

/// "An integer or decimal value": digits with an optional sign and point, few enough to be exact in any arithmetic.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let mut parts = [Some(whole), fraction].into_iter().flatten();
    let all_digits = parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !all_digits || whole.len() + fraction.map_or(0, str::len) > EXACT_DIGITS {
        return None;
    }
    text.parse().ok()
}

/// The number of decimal digits that survive a double.
const EXACT_DIGITS: usize = 15;

fn date(wanted: &str, actual: &str, holds: impl Fn(Ordering) -> bool) -> Fit {
    let reading = |read: fn(&str) -> Option<Date>| {
        let Some(wanted) = read(wanted) else {
            return Fit::unknown("the policy's value is not a date");
        };
        let Some(actual) = read(actual) else {
            return Fit::unknown("the request's value is not a date");
        };
        match actual.order(&wanted) {
            Some(order) => Fit::of(holds(order)),
            None => Fit::unknown("a date without time or zone is compared with a moment close to it"),
        }
    };
    // `2026` is a year and a number of seconds.
    let as_year = reading(|text| Date::iso(text).or_else(|| Date::epoch(text)));
    let as_seconds = reading(|text| Date::epoch(text).or_else(|| Date::iso(text)));
    Fit::either(as_year, as_seconds, "the date may be a year or seconds since 1970")
}

/// A moment, or a day, month or year whose time zone AWS doesn't specify.
#[derive(Clone, Copy)]
struct Date {
    /// Its beginning, in nanoseconds since 1970 UTC.
    start: i128,
    /// How long it lasts; 0 for a moment.
    length: i128,
}

const SECOND: i128 = 1_000_000_000;
const HOUR: i128 = 3600 * SECOND;
const DAY: i128 = 24 * HOUR;

impl Date {
    /// Seconds since 1970: "one of the W3C implementations of the ISO 8601 date formats or … epoch (UNIX) time".
    fn epoch(text: &str) -> Option<Self> {
        // Twelve digits or more are milliseconds elsewhere; there is no telling which is meant.
        let is_number = text.len() <= 11 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i128 = is_number.then(|| text.parse().ok())??;
        Some(Self {
            start: seconds * SECOND,
            length: 0,
        })
    }

    /// `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or with `Thh:mm[:ss[.s]]` and a zone: <https://www.w3.org/TR/NOTE-datetime>.
    fn iso(text: &str) -> Option<Self> {
        let (day, time) = match text.split_once('T') {
            Some((day, time)) => (day, Some(time)),
            None => (text, None),
        };
        let mut parts = day.split('-');
        let year = digits(parts.next()?, 4)?;
        let (month, day) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        let start = midnight(
            year,
            month.map_or(Some(1), |text| digits(text, 2))?,
            day.map_or(Some(1), |text| digits(text, 2))?,
        )?;
        let Some(time) = time else {
            let length = match (month, day) {
                (_, Some(_)) => DAY,
                (Some(_), None) => 31 * DAY,
                (None, None) => 366 * DAY,
            };
            return Some(Self { start, length });
        };
        day?;
        let (time, offset) = zone(time)?;
        let (clock, fraction) = match time.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (time, None),
        };
        let mut parts = clock.split(':');
        let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let second = match parts.next() {
            Some(second) => digits(second, 2)?,
            None if fraction.is_none() => 0,
            None => return None,
        };
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let nanoseconds = match fraction {
            Some(text) if text.len() <= 9 => {
                i128::from(digits(text, text.len())?) * 10_i128.pow(u32::try_from(9 - text.len()).ok()?)
            }
            Some(_) => return None,
            None => 0,
        };
        let seconds = i128::from(hour) * 3600 + i128::from(minute) * 60 + i128::from(second);
        Some(Self {
            start: start + seconds * SECOND + nanoseconds - offset,
            length: 0,
        })
    }

    /// The order of two dates, if every reading agrees.
    fn order(&self, other: &Self) -> Option<Ordering> {
        if (self.length == 0) == (other.length == 0) {
            return Some(self.start.cmp(&other.start));
        }
        let (earliest, latest) = self.limits();
        let (other_earliest, other_latest) = other.limits();
        if latest < other_earliest {
            Some(Ordering::Less)
        } else if earliest > other_latest {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    /// Days begin from 14 hours before UTC to 12 hours after, depending on the zone.
    fn limits(&self) -> (i128, i128) {
        if self.length == 0 {
            (self.start, self.start)
        } else {
            (self.start - 14 * HOUR, self.start + self.length + 12 * HOUR)
        }
    }
}

/// Exactly this many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let all_digits = !text.is_empty() && text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok())?
}

fn midnight(year: u32, month: u32, day: u32) -> Option<i128> {
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = time::Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    Some(date.midnight().assume_utc().unix_timestamp_nanos())
}

/// Splits off the zone (`Z`, `+hh:mm` or `-hh:mm`): the time of day, and how far the zone is ahead of UTC.
fn zone(time: &str) -> Option<(&str, i128)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let (time, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
    let (sign, offset) = match offset.strip_prefix('+') {
        Some(offset) => (1, offset),
        None => (-1, offset.strip_prefix('-')?),
    };
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then(|| {
        (
            time,
            sign * (i128::from(hours) * HOUR + i128::from(minutes) * 60 * SECOND),
        )
    })
}

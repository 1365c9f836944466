//! The condition operators.
//!
//! Names and meanings are those of the IAM User Guide, `reference_policies_elements_condition_operators`.

use std::fmt;
use std::sync::LazyLock;

use crate::text::alike::Name;

/// A condition operator as written in a policy: `ForAnyValue:StringLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operator {
    /// `ForAllValues:` or `ForAnyValue:`.
    pub set: Option<SetOperator>,
    /// The comparison itself.
    pub comparison: Comparison,
    /// `…IfExists`.
    pub if_exists: bool,
}

impl Operator {
    /// The operator with that name; case matters, as IAM answers `Invalid Condition type : stringEquals`
    /// (ministryofjustice/modernisation-platform-environments pull request 8893).
    ///
    /// `IfExists` can follow "any condition operator name except the `Null` condition" (IAM User Guide).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (set, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(SetOperator::ForAllValues), rest),
            Some(("ForAnyValue", rest)) => (Some(SetOperator::ForAnyValue), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let comparison = Comparison::parse(base)?;
        (!if_exists || comparison != Comparison::Null).then_some(Self {
            set,
            comparison,
            if_exists,
        })
    }

    /// The operator most likely meant by `name`.
    #[must_use]
    pub fn suggest(name: &str) -> Option<Self> {
        if let Some(null) = name.strip_suffix("IfExists").and_then(Self::parse) {
            return Some(null);
        }
        static KNOWN: LazyLock<Vec<(Name, Operator)>> =
            LazyLock::new(|| all().map(|operator| (plain(&operator.to_string()), operator)).collect());
        plain(name).nearest(KNOWN.iter().map(|(name, operator)| (name, *operator)))
    }

    /// The same operator without negation: `StringLike` for `StringNotLike`.
    #[must_use]
    pub fn positive(self) -> Self {
        Self {
            comparison: self.comparison.positive(),
            ..self
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = match self.set {
            Some(SetOperator::ForAllValues) => "ForAllValues:",
            Some(SetOperator::ForAnyValue) => "ForAnyValue:",
            None => "",
        };
        let if_exists = if self.if_exists { "IfExists" } else { "" };
        write!(f, "{set}{}{if_exists}", self.comparison)
    }
}

/// The prefix of an operator for multivalued keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetOperator {
    /// `ForAllValues:`: true also when the key is absent.
    ForAllValues,
    /// `ForAnyValue:`: false when the key is absent.
    ForAnyValue,
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are AWS's own")]
pub enum Comparison {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnNotEquals,
    ArnLike,
    ArnNotLike,
    Null,
}

impl Comparison {
    /// All of them, in the order of AWS's documentation.
    pub const ALL: [Self; 27] = [
        Self::StringEquals,
        Self::StringNotEquals,
        Self::StringEqualsIgnoreCase,
        Self::StringNotEqualsIgnoreCase,
        Self::StringLike,
        Self::StringNotLike,
        Self::NumericEquals,
        Self::NumericNotEquals,
        Self::NumericLessThan,
        Self::NumericLessThanEquals,
        Self::NumericGreaterThan,
        Self::NumericGreaterThanEquals,
        Self::DateEquals,
        Self::DateNotEquals,
        Self::DateLessThan,
        Self::DateLessThanEquals,
        Self::DateGreaterThan,
        Self::DateGreaterThanEquals,
        Self::Bool,
        Self::BinaryEquals,
        Self::IpAddress,
        Self::NotIpAddress,
        Self::ArnEquals,
        Self::ArnNotEquals,
        Self::ArnLike,
        Self::ArnNotLike,
        Self::Null,
    ];

    /// Whether it requires that the value does *not* match. Such an operator holds if the key is absent, or if none of the
    /// values match.
    #[must_use]
    pub fn is_negated(self) -> bool {
        self != self.positive()
    }

    /// Whether it is a string operator.
    #[must_use]
    pub fn is_string(self) -> bool {
        matches!(
            self.positive(),
            Self::StringEquals | Self::StringEqualsIgnoreCase | Self::StringLike
        )
    }

    /// Whether it is an ARN operator.
    #[must_use]
    pub fn is_arn(self) -> bool {
        matches!(self.positive(), Self::ArnEquals | Self::ArnLike)
    }

    /// Whether `*` and `?` are wildcards in its values: in `StringLike`, `StringNotLike` and all ARN operators.
    #[must_use]
    pub fn takes_wildcards(self) -> bool {
        self.positive() == Self::StringLike || self.is_arn()
    }

    /// The comparison without negation: [`Comparison::StringLike`] for [`Comparison::StringNotLike`].
    #[must_use]
    pub fn positive(self) -> Self {
        match self {
            Self::StringNotEquals => Self::StringEquals,
            Self::StringNotEqualsIgnoreCase => Self::StringEqualsIgnoreCase,
            Self::StringNotLike => Self::StringLike,
            Self::NumericNotEquals => Self::NumericEquals,
            Self::DateNotEquals => Self::DateEquals,
            Self::NotIpAddress => Self::IpAddress,
            Self::ArnNotEquals => Self::ArnEquals,
            Self::ArnNotLike => Self::ArnLike,
            other => other,
        }
    }

    /// AWS's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StringEquals => "StringEquals",
            Self::StringNotEquals => "StringNotEquals",
            Self::StringEqualsIgnoreCase => "StringEqualsIgnoreCase",
            Self::StringNotEqualsIgnoreCase => "StringNotEqualsIgnoreCase",
            Self::StringLike => "StringLike",
            Self::StringNotLike => "StringNotLike",
            Self::NumericEquals => "NumericEquals",
            Self::NumericNotEquals => "NumericNotEquals",
            Self::NumericLessThan => "NumericLessThan",
            Self::NumericLessThanEquals => "NumericLessThanEquals",
            Self::NumericGreaterThan => "NumericGreaterThan",
            Self::NumericGreaterThanEquals => "NumericGreaterThanEquals",
            Self::DateEquals => "DateEquals",
            Self::DateNotEquals => "DateNotEquals",
            Self::DateLessThan => "DateLessThan",
            Self::DateLessThanEquals => "DateLessThanEquals",
            Self::DateGreaterThan => "DateGreaterThan",
            Self::DateGreaterThanEquals => "DateGreaterThanEquals",
            Self::Bool => "Bool",
            Self::BinaryEquals => "BinaryEquals",
            Self::IpAddress => "IpAddress",
            Self::NotIpAddress => "NotIpAddress",
            Self::ArnEquals => "ArnEquals",
            Self::ArnNotEquals => "ArnNotEquals",
            Self::ArnLike => "ArnLike",
            Self::ArnNotLike => "ArnNotLike",
            Self::Null => "Null",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|comparison| comparison.name() == name)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every operator that IAM knows.
fn all() -> impl Iterator<Item = Operator> {
    let sets = [None, Some(SetOperator::ForAllValues), Some(SetOperator::ForAnyValue)];
    sets.into_iter().flat_map(|set| {
        [false, true].into_iter().flat_map(move |if_exists| {
            Comparison::ALL
                .into_iter()
                .filter(move |comparison| !if_exists || *comparison != Comparison::Null)
                .map(move |comparison| Operator {
                    set,
                    comparison,
                    if_exists,
                })
        })
    })
}

/// A name without what people most often get wrong: case and separators.
fn plain(name: &str) -> Name {
    Name::new(name.chars().filter(|c| !matches!(c, ':' | '_' | '-' | ' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_read_back_from_its_name() {
        for operator in all() {
            assert_eq!(Operator::parse(&operator.to_string()), Some(operator));
        }
        assert_eq!(all().count(), 3 * (27 + 26));
    }

    #[test]
    fn other_names_are_refused_and_the_nearest_is_suggested() {
        for (name, meant) in [
            ("ForAllValuesStringEquals", Some("ForAllValues:StringEquals")),
            ("ForAnyValues:StringLike", Some("ForAnyValue:StringLike")),
            ("stringEquals", Some("StringEquals")),
            ("StringEqual", Some("StringEquals")),
            ("StringLikes", Some("StringLike")),
            ("StringNotlike", Some("StringNotLike")),
            ("StringLikeIfExist", Some("StringLikeIfExists")),
            ("ArnLikes", Some("ArnLike")),
            ("NullIfExists", Some("Null")),
            ("IfExists", None),
            ("", None),
            ("xyzzy", None),
        ] {
            assert_eq!(Operator::parse(name), None, "{name}");
            let suggested = Operator::suggest(name).map(|operator| operator.to_string());
            assert_eq!(suggested.as_deref(), meant, "{name}");
        }
    }

    #[test]
    fn negated_operators_are_those_that_aws_calls_so() {
        let negated: Vec<&str> = Comparison::ALL
            .into_iter()
            .filter(|comparison| comparison.is_negated())
            .map(Comparison::name)
            .collect();
        assert_eq!(
            negated,
            [
                "StringNotEquals",
                "StringNotEqualsIgnoreCase",
                "StringNotLike",
                "NumericNotEquals",
                "DateNotEquals",
                "NotIpAddress",
                "ArnNotEquals",
                "ArnNotLike"
            ]
        );
    }

    #[test]
    fn wildcards_are_for_like_and_arn_operators_only() {
        for comparison in Comparison::ALL {
            let expected = comparison.name().contains("Like") || comparison.name().starts_with("Arn");
            assert_eq!(comparison.takes_wildcards(), expected, "{comparison}");
            assert_eq!(
                comparison.is_string(),
                comparison.name().starts_with("String"),
                "{comparison}"
            );
            assert_eq!(
                comparison.is_arn(),
                comparison.name().starts_with("Arn"),
                "{comparison}"
            );
        }
    }
}

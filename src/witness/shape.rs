//! The texts that a claim can be, as shapes, and which of them a value of the policy matches.
//!
//! Sources: GitHub docs, "OpenID Connect reference" (subjects, their customization, the claims).

use std::collections::HashSet;

use crate::budget::{Budget, steps};
use crate::github::issuer::Deployment;
use crate::github::subject::customized_keys;
use crate::policy::Comparison;

/// The part of a shape that isn't fixed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// An id: digits.
    Id,
    /// The name of a repository.
    Name,
    /// The name of an owner.
    Owner,
    /// A part of a git ref.
    Ref,
    /// Any value in which GitHub writes `:` as `%3A`.
    Value,
}

impl Field {
    fn takes(self, c: char) -> bool {
        match self {
            Self::Id => c.is_ascii_digit(),
            Self::Name => c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
            Self::Owner => c.is_ascii_alphanumeric() || c == '-',
            Self::Ref => !c.is_control() && !" :?*[\\^~".contains(c),
            Self::Value => !c.is_control() && c != ':',
        }
    }
}

/// One position of a shape.
#[derive(Debug, Clone, Copy)]
enum Cell<'a> {
    Char(char),
    /// A field, and the word for it if the policy leaves it open.
    Field(Field, &'a str),
}

/// The words that fill what the policy leaves open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) owner: &'a str,
    pub(super) repository: &'a str,
    pub(super) branch: &'a str,
    pub(super) environment: &'a str,
}

/// Whose texts are searched for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Anyones,
    /// Of one of these owners.
    Meant(&'a Meant),
    /// Of none of them.
    Strangers(&'a Meant),
}

/// The owners (in lower case) and ids that the policy or the token names in full: those that are meant.
#[derive(Debug, Default)]
pub(super) struct Meant {
    pub(super) owners: HashSet<String>,
    pub(super) ids: HashSet<String>,
}

/// The shapes of uncustomized subjects; also with ids, except for self-hosted enterprise servers and GitHub-like systems.
pub(super) fn usual_subjects(deployment: Deployment) -> impl Iterator<Item = &'static str> {
    const USUAL: [&str; 4] = [
        "repo:{owner}/{name}:ref:refs/heads/{branch}",
        "repo:{owner}/{name}:environment:{environment}",
        "repo:{owner}/{name}:pull_request",
        "repo:{owner}/{name}:ref:refs/tags/{tag}",
    ];
    const IMMUTABLE: [&str; 4] = [
        "repo:{owner}@{id}/{name}@{id}:ref:refs/heads/{branch}",
        "repo:{owner}@{id}/{name}@{id}:environment:{environment}",
        "repo:{owner}@{id}/{name}@{id}:pull_request",
        "repo:{owner}@{id}/{name}@{id}:ref:refs/tags/{tag}",
    ];
    let has_ids = deployment.has_claim_keys();
    USUAL.into_iter().chain(IMMUTABLE.into_iter().filter(move |_| has_ids))
}

/// The shape of a repository's subject customized with the claims that a value names; `None` if strangers can't have one, or
/// if that isn't known.
pub(super) fn customized_subject(value: &str) -> Option<String> {
    let mut shape = Vec::new();
    for key in customized_keys(value) {
        shape.push(match key {
            "repo" => "repo:{owner}/{name}".to_owned(),
            "repository" => "repository:{owner}/{name}".to_owned(),
            "repository_owner" => "repository_owner:{owner}".to_owned(),
            "repository_id" | "repository_owner_id" => format!("{key}:{{id}}"),
            "pull_request" => key.to_owned(),
            "ref" => "ref:refs/{branch}".to_owned(),
            "environment" => "environment:{environment}".to_owned(),
            "actor" | "base_ref" | "event_name" | "head_ref" | "ref_type" | "repository_visibility" | "workflow" => {
                format!("{key}:{{value}}")
            }
            "job_workflow_ref" | "workflow_ref" => format!("{key}:{{owner}}/{{name}}/.github/workflows/{{branch}}"),
            _ => return None,
        });
    }
    Some(shape.join(":"))
}

/// Whether it can be the name of an owner on GitHub: up to 39 letters and digits, with single hyphens between them.
pub(super) fn is_owner(text: &str) -> bool {
    text.len() <= 39
        && text
            .split('-')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// How a value of the policy is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared {
    pub(super) takes_wildcards: bool,
    pub(super) ignores_case: bool,
}

impl Compared {
    pub(super) fn by(comparison: Comparison) -> Self {
        Self {
            takes_wildcards: comparison.takes_wildcards(),
            ignores_case: comparison.positive() == Comparison::StringEqualsIgnoreCase,
        }
    }
}

/// Longer texts aren't claims.
pub(super) const LONGEST: usize = 4096;

/// A text of a shape that matches a value of the policy.
pub(super) fn fit(
    value: &str,
    how: Compared,
    shape: &str,
    words: Words<'_>,
    whose: Whose<'_>,
    budget: &Budget,
) -> Option<String> {
    let mut pattern: Vec<char> = Vec::new();
    for c in value.chars() {
        if how.takes_wildcards && c == '*' && pattern.last() == Some(&'*') {
            continue;
        }
        if pattern.len() == LONGEST {
            return None;
        }
        pattern.push(c);
    }
    let cells = cells(shape, words);
    let search = Search {
        pattern: &pattern,
        how,
        cells: &cells,
        whose,
    };
    search.run(budget)
}

fn cells<'a>(shape: &str, words: Words<'a>) -> Vec<Cell<'a>> {
    let mut cells = Vec::with_capacity(shape.len());
    let mut rest = shape;
    while let Some((fixed, (name, after))) = rest
        .split_once('{')
        .and_then(|(fixed, field)| Some((fixed, field.split_once('}')?)))
    {
        cells.extend(fixed.chars().map(Cell::Char));
        cells.push(match name {
            "branch" => Cell::Field(Field::Ref, words.branch),
            "environment" => Cell::Field(Field::Value, words.environment),
            "id" => Cell::Field(Field::Id, "987654321"),
            "name" => Cell::Field(Field::Name, words.repository),
            "owner" => Cell::Field(Field::Owner, words.owner),
            "tag" => Cell::Field(Field::Ref, "v1"),
            _ => Cell::Field(Field::Value, "x"),
        });
        rest = after;
    }
    cells.extend(rest.chars().map(Cell::Char));
    cells
}

/// A search through the positions of the pattern and of the shape at once, visiting each pair once.
struct Search<'a> {
    pattern: &'a [char],
    how: Compared,
    cells: &'a [Cell<'a>],
    whose: Whose<'a>,
}

/// How much of a field is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    Empty,
    Some,
    /// With its word, or with the end of another one.
    Word,
}

/// Where the search is, and how it got there.
#[derive(Clone, Copy)]
struct Step<'a> {
    pattern: usize,
    cell: usize,
    filled: Filled,
    from: usize,
    adds: Adds<'a>,
}

#[derive(Clone, Copy)]
enum Adds<'a> {
    Char(char),
    Nothing,
    Word(&'a str),
}

impl Search<'_> {
    fn run(&self, budget: &Budget) -> Option<String> {
        let places = (self.pattern.len() + 1) * (self.cells.len() + 1) * 3;
        if !budget.take(steps(places)) {
            return None;
        }
        let mut seen = vec![false; places];
        let first = Step {
            pattern: 0,
            cell: 0,
            filled: Filled::Empty,
            from: 0,
            adds: Adds::Nothing,
        };
        let (mut taken, mut open) = (vec![first], vec![0]);
        while let Some(at) = open.pop() {
            let step = *taken.get(at)?;
            let place = (step.pattern * (self.cells.len() + 1) + step.cell) * 3 + step.filled as usize;
            match seen.get_mut(place) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            if !budget.take(1) {
                return None;
            }
            if step.cell == self.cells.len() && self.pattern.iter().skip(step.pattern).all(|c| self.is_star(*c)) {
                return Some(text(&taken, at, |_| true));
            }
            for (pattern, cell, filled, adds) in self.next(&taken, at, step).into_iter().flatten() {
                open.push(taken.len());
                taken.push(Step {
                    pattern,
                    cell,
                    filled,
                    from: at,
                    adds,
                });
            }
        }
        None
    }

    /// The next steps; the one to try first comes last. A star matches as little as possible.
    fn next<'s>(
        &'s self,
        taken: &[Step<'_>],
        at: usize,
        step: Step<'_>,
    ) -> [Option<(usize, usize, Filled, Adds<'s>)>; 4] {
        let wanted = self.pattern.get(step.pattern).copied();
        let star = wanted.is_some_and(|c| self.is_star(c));
        let skip = star.then_some((step.pattern + 1, step.cell, step.filled, Adds::Nothing));
        let (after, next) = (step.pattern + 1, step.cell + 1);
        match self.cells.get(step.cell) {
            Some(Cell::Char(c)) => {
                let absorb = star.then_some((step.pattern, next, Filled::Empty, Adds::Char(*c)));
                let fits = wanted.filter(|wanted| !star && self.is_same(*wanted, *c));
                [
                    None,
                    absorb,
                    skip,
                    fits.map(|_| (after, next, Filled::Empty, Adds::Char(*c))),
                ]
            }
            Some(Cell::Field(field, word)) => {
                let done = (step.filled != Filled::Empty && self.can_end(*field, taken, at)).then_some((
                    step.pattern,
                    next,
                    Filled::Empty,
                    Adds::Nothing,
                ));
                let more = match (step.filled, field) {
                    (Filled::Empty, _) => Some(*word),
                    (Filled::Some, Field::Id) => Some("1"),
                    // An owner's name can't have two hyphens in a row.
                    (Filled::Some, _) if last(taken, at) == Some('-') => Some("other"),
                    (Filled::Some, _) => Some("-other"),
                    (Filled::Word, _) => None,
                };
                let fill = more
                    .filter(|_| star)
                    .map(|word| (step.pattern, step.cell, Filled::Word, Adds::Word(word)));
                let any = if *field == Field::Id { '1' } else { 'x' };
                let c = wanted.map(|c| if self.how.takes_wildcards && c == '?' { any } else { c });
                let typed = c
                    .filter(|c| !star && field.takes(*c))
                    .map(|c| (after, step.cell, Filled::Some, Adds::Char(c)));
                [done, fill, skip, typed]
            }
            None => [None, None, None, skip],
        }
    }

    fn is_star(&self, c: char) -> bool {
        self.how.takes_wildcards && c == '*'
    }

    fn is_same(&self, wanted: char, c: char) -> bool {
        wanted == c
            || self.how.takes_wildcards && wanted == '?'
            || self.how.ignores_case && wanted.eq_ignore_ascii_case(&c)
    }

    /// Whether the field's text so far is complete, and belongs to someone who is searched for.
    fn can_end(&self, field: Field, taken: &[Step<'_>], at: usize) -> bool {
        if !matches!(field, Field::Id | Field::Owner) {
            return true;
        }
        let cell = taken.get(at).map(|step| step.cell);
        let text = text(taken, at, |step| {
            Some(step.cell) == cell && step.filled != Filled::Empty
        });
        let (meant, wanted) = match self.whose {
            Whose::Anyones => return field == Field::Id || is_owner(&text),
            Whose::Meant(meant) => (meant, true),
            Whose::Strangers(meant) => (meant, false),
        };
        match field {
            // An owner who is meant may have repositories with other ids.
            Field::Id => wanted || !meant.ids.contains(&text),
            _ => (wanted || is_owner(&text)) && meant.owners.contains(&text.to_lowercase()) == wanted,
        }
    }
}

/// The last character that was added.
fn last(taken: &[Step<'_>], mut at: usize) -> Option<char> {
    loop {
        let step = taken.get(at)?;
        match step.adds {
            Adds::Char(c) => return Some(c),
            Adds::Word(word) => return word.chars().next_back(),
            Adds::Nothing if at == 0 => return None,
            Adds::Nothing => at = step.from,
        }
    }
}

/// The text added by the steps that lead up to this one, going back as long as they are wanted.
fn text(taken: &[Step<'_>], mut at: usize, is_wanted: impl Fn(&Step<'_>) -> bool) -> String {
    let mut parts = Vec::new();
    while let Some(step) = taken.get(at).filter(|step| is_wanted(step)) {
        parts.push(step.adds);
        if at == 0 {
            break;
        }
        at = step.from;
    }
    let mut text = String::new();
    for part in parts.iter().rev() {
        match part {
            Adds::Char(c) => text.push(*c),
            Adds::Nothing => {}
            Adds::Word(word) => text.push_str(word),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::wildcard;

    const WORDS: Words<'_> = Words {
        owner: "some-stranger",
        repository: "some-repository",
        branch: "main",
        environment: "production",
    };
    const LIKE: Compared = Compared {
        takes_wildcards: true,
        ignores_case: false,
    };

    fn meant() -> Meant {
        Meant {
            owners: ["acme".to_owned()].into(),
            ids: ["12".to_owned()].into(),
        }
    }

    /// Subjects of all shapes, and a customized one.
    fn all(value: &str, whose: Whose<'_>) -> Vec<String> {
        let budget = Budget::default();
        let fits = |shape: &str| fit(value, LIKE, shape, WORDS, whose, &budget);
        let mut all: Vec<String> = usual_subjects(Deployment::GitHub).filter_map(fits).collect();
        all.extend(customized_subject(value).as_deref().and_then(fits));
        all
    }

    #[test]
    fn strangers_fit_as_much_as_a_value_leaves_open() {
        let meant = meant();
        for (value, first) in [
            ("*", Some("repo:some-stranger/some-repository:ref:refs/heads/main")),
            (
                "repo:acme*",
                Some("repo:acme-other/some-repository:ref:refs/heads/main"),
            ),
            (
                "repo:acme-*/widgets:*",
                Some("repo:acme-other/widgets:ref:refs/heads/main"),
            ),
            (
                "*/widgets:ref:refs/heads/main",
                Some("repo:some-stranger/widgets:ref:refs/heads/main"),
            ),
            (
                "*:ref:*",
                Some("repo:some-stranger/some-repository:ref:refs/heads/main"),
            ),
            (
                "repo:?cme/*:ref:refs/heads/x",
                Some("repo:xcme/some-repository:ref:refs/heads/x"),
            ),
            (
                "*/widgets:*prod",
                Some("repo:some-stranger/widgets:ref:refs/heads/prod"),
            ),
            (
                "repo:*@12/*x",
                Some("repo:some-stranger/some-repository:ref:refs/heads/@12/x"),
            ),
            ("environment:prod", Some("environment:prod")),
            ("repository_owner:acme*", Some("repository_owner:acme-other")),
            ("repo:acme/*", None),
            ("repo:acme@*/*", None),
            ("repo:acme/widgets:*", None),
            ("repository_owner:acme", None),
            ("repository_id:12", None),
            ("repo:a_b*/x:pull_request", None),
            ("repo:acme", None),
            ("widgets:*", None),
            ("", None),
        ] {
            let all = all(value, Whose::Strangers(&meant));
            assert_eq!(all.first().map(String::as_str), first, "{value}: {all:?}");
            assert!(
                all.iter().all(|text| wildcard::matches(value, text)),
                "{value}: {all:?}"
            );
        }
    }

    #[test]
    fn the_owners_own_fit_where_the_owner_is_named() {
        let meant = meant();
        for (value, count) in [
            ("repo:acme/*", 5),
            ("repo:acme/widgets:ref:refs/heads/*", 2),
            ("repo:acme@12/*", 4),
            ("repo:other/*", 0),
        ] {
            assert_eq!(all(value, Whose::Meant(&meant)).len(), count, "{value}");
        }
        assert_eq!(all("repo:github.com/acme/widgets:*", Whose::Anyones).len(), 0);
    }

    #[test]
    fn a_long_value_takes_no_more_than_the_budget() {
        let budget = Budget::new(1000);
        assert_eq!(
            fit(&"*a".repeat(2000), LIKE, "{value}", WORDS, Whose::Anyones, &budget),
            None
        );
        assert!(budget.is_spent());
        let stars = fit(
            &"*".repeat(1_000_000),
            LIKE,
            "{value}",
            WORDS,
            Whose::Anyones,
            &Budget::default(),
        );
        assert_eq!(stars.as_deref(), Some("x"));
        assert_eq!(
            fit(
                &"a".repeat(5000),
                LIKE,
                "{value}",
                WORDS,
                Whose::Anyones,
                &Budget::default()
            ),
            None
        );
    }
}

//! Sets of texts too large to list: every branch that a filter lets through, every subject that a policy's value accepts.
//!
//! Sets are composed from patterns by union, intersection and complement, and can be queried for membership, emptiness and
//! their shortest text. That is exact: a pattern is a small automaton, and the search walks through all automata at once, with
//! one character for all that no pattern distinguishes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// After this many steps a search gives up; a typical one takes a few thousand.
const MOST: usize = 400_000;

/// A set of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Language(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    All(Vec<Language>),
    Any(Vec<Language>),
    Glob(Arc<Glob>),
    Not(Box<Language>),
}

/// The result of searching a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Example {
    /// The shortest text of the set.
    Found(String),
    /// The set is empty.
    Nothing,
    /// There may be a text: the search took too long.
    Unknown,
}

impl Example {
    /// The text.
    #[must_use]
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Found(text) => Some(text),
            Self::Nothing | Self::Unknown => None,
        }
    }
}

impl From<Glob> for Language {
    fn from(glob: Glob) -> Self {
        Self(Kind::Glob(Arc::new(glob)))
    }
}

impl Language {
    /// No text at all.
    #[must_use]
    pub(crate) fn nothing() -> Self {
        Self(Kind::Any(Vec::new()))
    }

    /// Every text.
    #[must_use]
    pub(crate) fn everything() -> Self {
        Glob::default().many(&Class::any()).into()
    }

    /// One text alone.
    #[must_use]
    pub(crate) fn exactly(text: &str) -> Self {
        Glob::default().text(text).into()
    }

    /// A few texts.
    #[must_use]
    pub(crate) fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Kind::Any(texts.into_iter().map(Self::exactly).collect()))
    }

    /// A text in any combination of upper and lower case.
    #[must_use]
    pub(crate) fn in_any_case(text: &str) -> Self {
        Glob::in_any_case(text).into()
    }

    /// The texts in either set.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        match self.0 {
            Kind::Any(mut all) => {
                all.push(other);
                Self(Kind::Any(all))
            }
            kind => Self(Kind::Any(vec![Self(kind), other])),
        }
    }

    /// The texts in both sets.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match self.0 {
            Kind::All(mut all) => {
                all.push(other);
                Self(Kind::All(all))
            }
            kind => Self(Kind::All(vec![Self(kind), other])),
        }
    }

    /// The texts that aren't in the other set.
    #[must_use]
    pub(crate) fn without(self, other: Self) -> Self {
        self.and(Self(Kind::Not(Box::new(other))))
    }

    /// The same texts, each with something before and after it.
    ///
    /// Differences stay exact if it is unambiguous where the middle part starts and ends.
    #[must_use]
    pub(crate) fn within(&self, before: &Glob, after: &Glob) -> Self {
        self.map(&|glob| before.clone().then(glob).then(after))
    }

    /// The texts that are in this set when put between `before` and `after`.
    #[must_use]
    pub(crate) fn inside(&self, before: &str, after: &str) -> Self {
        self.map(&|glob| glob.clone().inside(before, after))
    }

    fn map(&self, change: &impl Fn(&Glob) -> Glob) -> Self {
        let all = |all: &[Self]| all.iter().map(|one| one.map(change)).collect();
        Self(match &self.0 {
            Kind::All(list) => Kind::All(all(list)),
            Kind::Any(list) => Kind::Any(all(list)),
            Kind::Glob(glob) => Kind::Glob(Arc::new(change(glob))),
            Kind::Not(one) => Kind::Not(Box::new(one.map(change))),
        })
    }

    /// Its only text, if it is written as one.
    #[must_use]
    pub(crate) fn only(&self) -> Option<String> {
        match self.listed()?.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Its texts, if it is written as a few of them.
    #[must_use]
    pub(crate) fn listed(&self) -> Option<Vec<String>> {
        match &self.0 {
            Kind::Any(list) => {
                let all: Option<Vec<Vec<String>>> = list.iter().map(Self::listed).collect();
                let mut all: Vec<String> = all?.into_iter().flatten().collect();
                all.sort();
                all.dedup();
                Some(all)
            }
            Kind::All(list) => {
                let few = list.iter().find_map(Self::listed)?;
                Some(few.into_iter().filter(|text| self.contains(text)).collect())
            }
            Kind::Glob(glob) if glob.is_nothing() => Some(Vec::new()),
            Kind::Glob(glob) => glob.only().map(|text| vec![text]),
            Kind::Not(_) => None,
        }
    }

    /// The sets that it is written as: together they are this one.
    #[must_use]
    pub(crate) fn parts(&self) -> Vec<Self> {
        match &self.0 {
            Kind::Any(list) => list.iter().flat_map(Self::parts).collect(),
            Kind::All(list) => match list.split_first() {
                Some((first, rest)) => {
                    let with_rest = |part: Self| rest.iter().cloned().fold(part, Self::and);
                    first.parts().into_iter().map(with_rest).collect()
                }
                None => vec![self.clone()],
            },
            Kind::Glob(_) | Kind::Not(_) => vec![self.clone()],
        }
    }

    /// Patterns of `*` and `?` that together match all of it, and as little else as such patterns can without considering what is
    /// subtracted.
    #[must_use]
    pub(crate) fn covering(&self) -> Vec<String> {
        match &self.0 {
            Kind::All(list) => {
                let covers = list.iter().filter(|one| !matches!(one.0, Kind::Not(_)));
                let narrowest = covers
                    .map(Self::covering)
                    .max_by_key(|patterns| patterns.iter().map(String::len).min());
                narrowest.unwrap_or_else(|| vec!["*".to_owned()])
            }
            Kind::Any(list) => list.iter().flat_map(Self::covering).collect(),
            Kind::Glob(glob) if glob.is_nothing() => Vec::new(),
            Kind::Glob(glob) => vec![glob.covering()],
            Kind::Not(_) => vec!["*".to_owned()],
        }
    }

    /// Whether a text is in it.
    #[must_use]
    pub(crate) fn contains(&self, text: &str) -> bool {
        match &self.0 {
            Kind::All(list) => list.iter().all(|one| one.contains(text)),
            Kind::Any(list) => list.iter().any(|one| one.contains(text)),
            Kind::Glob(glob) => {
                let mut at = glob.start.clone();
                for c in text.chars() {
                    at = glob.step(&at, c);
                }
                glob.accepts(&at)
            }
            Kind::Not(one) => !one.contains(text),
        }
    }

    /// Whether all of it is in another set; `None` if that took too long to find out.
    #[must_use]
    pub(crate) fn is_within(&self, other: &Self) -> Option<bool> {
        let is_part = |list: &[Self]| list.contains(self);
        if self == other || matches!(&other.0, Kind::Any(list) if is_part(list)) {
            return Some(true);
        }
        match self.clone().without(other.clone()).example() {
            Example::Found(_) => Some(false),
            Example::Nothing => Some(true),
            Example::Unknown => None,
        }
    }

    /// Its shortest text.
    #[must_use]
    pub(crate) fn example(&self) -> Example {
        // Most sets are a single text.
        match self.listed().as_deref() {
            Some([]) => return Example::Nothing,
            Some([only]) => return Example::Found(only.clone()),
            _ => {}
        }
        let mut globs = Vec::new();
        self.globs(&mut globs);
        let mut search = Search {
            language: self,
            globs: &globs,
            steps: 0,
        };
        search.run()
    }

    fn globs<'a>(&'a self, into: &mut Vec<&'a Glob>) {
        match &self.0 {
            Kind::All(list) | Kind::Any(list) => list.iter().for_each(|one| one.globs(into)),
            Kind::Glob(glob) => into.push(glob),
            Kind::Not(one) => one.globs(into),
        }
    }

    /// Combines the patterns' answers, in the order of `globs`; `None` is an answer that is still open.
    fn answer(&self, answers: &mut impl Iterator<Item = Option<bool>>) -> Option<bool> {
        // Each consumes its own answers, so none is skipped.
        match &self.0 {
            Kind::All(list) => {
                let all: Vec<_> = list.iter().map(|one| one.answer(answers)).collect();
                if all.contains(&Some(false)) {
                    Some(false)
                } else {
                    (!all.contains(&None)).then_some(true)
                }
            }
            Kind::Any(list) => {
                let all: Vec<_> = list.iter().map(|one| one.answer(answers)).collect();
                if all.contains(&Some(true)) {
                    Some(true)
                } else {
                    (!all.contains(&None)).then_some(false)
                }
            }
            Kind::Glob(_) => answers.next().flatten(),
            Kind::Not(one) => one.answer(answers).map(|answer| !answer),
        }
    }
}

/// A walk through all patterns at once, breadth first.
struct Search<'a> {
    language: &'a Language,
    globs: &'a [&'a Glob],
    steps: usize,
}

/// The positions in each pattern.
type Places = Vec<Vec<usize>>;

impl Search<'_> {
    fn run(&mut self) -> Example {
        let start: Places = self.globs.iter().map(|glob| glob.start.clone()).collect();
        if self.accepts(&start) {
            return Example::Found(String::new());
        }
        let mut seen: HashMap<Places, usize> = HashMap::from([(start.clone(), 0)]);
        // Where each place was reached from, and by which character.
        let mut came: Vec<(usize, char)> = vec![(0, '\0')];
        let mut queue = VecDeque::from([(0, start)]);
        while let Some((index, places)) = queue.pop_front() {
            for c in self.characters(&places) {
                let next: Places = self
                    .globs
                    .iter()
                    .zip(&places)
                    .map(|(glob, at)| glob.step(at, c))
                    .collect();
                self.steps += 1 + next.iter().map(Vec::len).sum::<usize>();
                if self.steps > MOST {
                    return Example::Unknown;
                }
                if self.is_hopeless(&next) || seen.contains_key(&next) {
                    continue;
                }
                let found = came.len();
                came.push((index, c));
                if self.accepts(&next) {
                    return Example::Found(spelled(&came, found));
                }
                seen.insert(next.clone(), found);
                queue.push_back((found, next));
            }
        }
        Example::Nothing
    }

    fn accepts(&self, places: &Places) -> bool {
        let mut answers = self.globs.iter().zip(places).map(|(glob, at)| Some(glob.accepts(at)));
        self.language.answer(&mut answers) == Some(true)
    }

    fn is_hopeless(&self, places: &Places) -> bool {
        let mut answers = self.globs.iter().zip(places).map(|(glob, at)| glob.forever(at));
        self.language.answer(&mut answers) == Some(false)
    }

    /// One character of each kind that the patterns distinguish here.
    fn characters(&self, places: &Places) -> Vec<char> {
        let classes = self.globs.iter().zip(places).flat_map(|(glob, at)| {
            let items = at.iter().filter_map(|at| glob.items.get(*at));
            items.map(|item| &item.class)
        });
        let mut cuts: Vec<u32> = classes
            .flat_map(|class| &class.0)
            .flat_map(|(first, last)| [u32::from(*first), u32::from(*last) + 1])
            .collect();
        cuts.push(0);
        cuts.sort_unstable();
        cuts.dedup();
        let ends = cuts.iter().skip(1).copied().chain([0x11_0000]);
        let mut characters: Vec<char> = cuts
            .iter()
            .zip(ends)
            .filter_map(|(first, end)| representative(*first, end))
            .collect();
        // Of equally short texts, prefer one that reads well.
        characters.sort_by_key(|c| !c.is_ascii_lowercase());
        characters
    }
}

/// A character from a range, if possible one that reads well.
fn representative(first: u32, end: u32) -> Option<char> {
    let usual = ['a', 'x', 'A', '0', '1', '-', '/'].into_iter();
    let usual = usual.chain(' '..='~');
    let mut usual = usual.filter(|c| (first..end).contains(&u32::from(*c)));
    let any = || [first, 0xE000].into_iter().filter(|code| (first..end).contains(code));
    usual.next().or_else(|| any().find_map(char::from_u32))
}

fn spelled(came: &[(usize, char)], mut at: usize) -> String {
    let mut text = Vec::new();
    while at != 0
        && let Some((from, c)) = came.get(at)
    {
        text.push(*c);
        at = *from;
    }
    text.iter().rev().collect()
}

/// A set of characters, as ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Class(Vec<(char, char)>);

impl Class {
    /// Every character.
    #[must_use]
    pub(crate) fn any() -> Self {
        Self(vec![('\0', char::MAX)])
    }

    /// The characters of some ranges.
    #[must_use]
    pub(crate) fn of(ranges: &[(char, char)]) -> Self {
        let mut ranges: Vec<_> = ranges.iter().copied().filter(|(first, last)| first <= last).collect();
        ranges.sort_unstable();
        ranges.dedup();
        Self(ranges)
    }

    /// No character.
    fn none() -> Self {
        Self(Vec::new())
    }

    /// One character.
    #[must_use]
    pub(crate) fn one(c: char) -> Self {
        Self(vec![(c, c)])
    }

    /// All characters that aren't in this one.
    #[must_use]
    pub(crate) fn others(&self) -> Self {
        let mut others = Vec::new();
        let mut from = Some('\0');
        for (first, last) in &self.0 {
            if let Some(from) = from
                && let Some(before) = before(*first)
                && from <= before
            {
                others.push((from, before));
            }
            let next = after(*last);
            from = from.zip(next).map(|(from, next)| from.max(next));
        }
        others.extend(from.map(|from| (from, char::MAX)));
        Self(others)
    }

    /// All characters in this one but not in another.
    #[must_use]
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut either = self.others().0;
        either.extend(&other.0);
        Self::of(&either).others()
    }

    fn has(&self, c: char) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&c))
    }

    fn is_any(&self) -> bool {
        self.0 == [('\0', char::MAX)]
    }

    fn only(&self) -> Option<char> {
        match &*self.0 {
            [(first, last)] if first == last => Some(*first),
            _ => None,
        }
    }
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

/// A sequence of characters, some of which may repeat and stretches of which may be skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    items: Vec<Item>,
    /// Forward skips, as pairs of positions.
    skips: Vec<(usize, usize)>,
    /// Those that skip more than one item.
    long_skips: Vec<(usize, usize)>,
    /// The positions where it starts.
    start: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    class: Class,
    repeats: bool,
}

impl Default for Glob {
    /// The empty text.
    fn default() -> Self {
        Self {
            items: Vec::new(),
            skips: Vec::new(),
            long_skips: Vec::new(),
            start: vec![0],
        }
    }
}

impl Glob {
    /// Then this text.
    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> Self {
        let items = text.chars().map(|c| Item {
            class: Class::one(c),
            repeats: false,
        });
        self.items.extend(items);
        self.settled()
    }

    /// Then one character of a class.
    #[must_use]
    pub(crate) fn one(mut self, class: &Class) -> Self {
        let class = class.clone();
        self.items.push(Item { class, repeats: false });
        self.settled()
    }

    /// Then zero or one.
    #[must_use]
    pub(crate) fn maybe(mut self, class: &Class) -> Self {
        let at = self.items.len();
        self.skips.push((at, at + 1));
        self.one(class)
    }

    /// Then any number.
    #[must_use]
    pub(crate) fn many(mut self, class: &Class) -> Self {
        let at = self.items.len();
        self.skips.push((at, at + 1));
        let class = class.clone();
        self.items.push(Item { class, repeats: true });
        self.settled()
    }

    /// Then one or more.
    #[must_use]
    pub(crate) fn some(self, class: &Class) -> Self {
        self.one(class).many(class)
    }

    /// Then anything that ends with this character, or nothing.
    #[must_use]
    pub(crate) fn up_to(mut self, c: char) -> Self {
        let at = self.items.len();
        // The skip must not start at the item that repeats: an item that matches nothing precedes it.
        self.skips.extend([(at, at + 1), (at, at + 3)]);
        self.push(Class::none());
        self.many(&Class::any()).one(&Class::one(c))
    }

    /// Then another glob.
    #[must_use]
    pub(crate) fn then(mut self, other: &Self) -> Self {
        let at = self.items.len();
        self.items.extend(other.items.iter().cloned());
        self.skips
            .extend(other.skips.iter().map(|(from, to)| (from + at, to + at)));
        self.settled()
    }

    /// A value of a policy for `StringLike`: `*` is any run of characters, `?` is one (IAM User Guide,
    /// `reference_policies_elements_condition_operators`).
    #[must_use]
    pub(crate) fn like(pattern: &str) -> Self {
        let mut glob = Self::default();
        for c in pattern.chars() {
            match c {
                '*' => glob.push_star(),
                '?' => glob.push(Class::any()),
                c => glob.push(Class::one(c)),
            }
        }
        glob.settled()
    }

    /// A text in any combination of upper and lower case.
    #[must_use]
    pub(crate) fn in_any_case(text: &str) -> Self {
        let mut glob = Self::default();
        for c in text.chars() {
            let cases = c.to_lowercase().chain(c.to_uppercase()).chain([c]).map(|c| (c, c));
            glob.push(Class::of(&cases.collect::<Vec<_>>()));
        }
        glob.settled()
    }

    fn push(&mut self, class: Class) {
        self.items.push(Item { class, repeats: false });
    }

    fn push_star(&mut self) {
        let at = self.items.len();
        self.skips.push((at, at + 1));
        self.items.push(Item {
            class: Class::any(),
            repeats: true,
        });
    }

    /// Sorts the skips, and computes the start from them.
    fn settled(mut self) -> Self {
        self.skips.sort_unstable();
        self.skips.dedup();
        let is_long = |(from, to): &&(usize, usize)| from + 1 < *to;
        self.long_skips = self.skips.iter().filter(is_long).copied().collect();
        self.start = self.closed(vec![0]);
        self
    }

    /// What matches it when put between `before` and `after`.
    fn inside(self, before: &str, after: &str) -> Self {
        let run = |from: Vec<usize>, text: &str| text.chars().fold(from, |at, c| self.step(&at, c));
        let starts = run(self.start.clone(), before);
        let can_end = |at: &usize| self.accepts(&run(self.closed(vec![*at]), after));
        let ends: Vec<usize> = (0..=self.items.len()).filter(can_end).collect();
        let ends_after = |first: &usize| ends.last().filter(|last| first <= last);
        let Some((first, last)) = starts.first().and_then(|first| Some((*first, *ends_after(first)?))) else {
            return Self::default().one(&Class::none());
        };
        // What precedes the first start and what follows the last end is dropped. An item that matches nothing is put in front, with
        // a skip to each start.
        let stays = self.items.get(last).is_some_and(|item| item.repeats);
        let items = self.items.iter().take(last + usize::from(stays)).skip(first).cloned();
        let mut inside = Self::default();
        inside.push(Class::none());
        inside.items.extend(items);
        if stays {
            inside.push(Class::none());
        }
        let end = inside.items.len();
        let shifted = |at: usize| at - first + 1;
        let is_left = |(from, to): &&(usize, usize)| *from >= first && *to <= last;
        inside.skips = self
            .skips
            .iter()
            .filter(is_left)
            .map(|(from, to)| (shifted(*from), shifted(*to)))
            .collect();
        inside
            .skips
            .extend(starts.iter().filter(|at| **at <= last).map(|at| (0, shifted(*at))));
        let ends = ends.iter().filter(|at| **at >= first && shifted(**at) < end);
        inside.skips.extend(ends.map(|at| (shifted(*at), end)));
        // With only one start, that item isn't needed.
        if let [_only] = &*starts {
            inside.items.remove(0);
            inside.skips.retain(|(from, _)| *from > 0);
            inside
                .skips
                .iter_mut()
                .for_each(|(from, to)| (*from, *to) = (*from - 1, *to - 1));
        }
        inside.settled()
    }

    /// The positions and those that can be skipped to, without those that a later star covers anyway.
    fn closed(&self, mut at: Vec<usize>) -> Vec<usize> {
        let mut index = 0;
        while let Some(from) = at.get(index).copied() {
            let skips = self.skips.partition_point(|(other, _)| *other < from);
            let skips = self.skips.iter().skip(skips);
            for (_, to) in skips.take_while(|(other, _)| *other == from) {
                if !at.contains(to) {
                    at.push(*to);
                }
            }
            index += 1;
        }
        at.sort_unstable();
        // A star that all must pass matches everything that the positions before it can.
        if let Some(star) = at.iter().rposition(|at| self.is_star(*at)) {
            at.drain(..star);
        }
        at
    }

    /// Whether this item matches any run of characters and only its own skip bypasses it.
    fn is_star(&self, at: usize) -> bool {
        let is_any = |item: &Item| item.repeats && item.class.is_any();
        self.items.get(at).is_some_and(is_any) && !self.long_skips.iter().any(|(from, to)| *from <= at && at + 1 < *to)
    }

    fn step(&self, at: &[usize], c: char) -> Vec<usize> {
        let mut next = Vec::new();
        for (at, item) in at.iter().filter_map(|at| Some((*at, self.items.get(*at)?))) {
            if item.class.has(c) {
                let to = if item.repeats { at } else { at + 1 };
                if !next.contains(&to) {
                    next.push(to);
                }
            }
        }
        if next.is_empty() { next } else { self.closed(next) }
    }

    fn accepts(&self, at: &[usize]) -> bool {
        at.contains(&self.items.len())
    }

    /// The answer if it is the same whatever follows; otherwise `None`.
    fn forever(&self, at: &[usize]) -> Option<bool> {
        if at.is_empty() {
            return Some(false);
        }
        let mut stars = at.iter().filter(|at| {
            let item = self.items.get(**at);
            item.is_some_and(|item| item.repeats && item.class.is_any())
        });
        stars.any(|at| self.accepts(&self.closed(vec![*at]))).then_some(true)
    }

    /// Whether it has a mandatory item that matches nothing.
    fn is_nothing(&self) -> bool {
        self.skips.is_empty() && self.items.iter().any(|item| item.class.0.is_empty())
    }

    fn only(&self) -> Option<String> {
        if !self.skips.is_empty() {
            return None;
        }
        self.items.iter().map(|item| item.class.only()).collect()
    }

    fn covering(&self) -> String {
        let mut pattern = String::new();
        let mut end = 0;
        for (at, item) in self.items.iter().enumerate() {
            let skips = self.skips.iter().filter(|(from, _)| *from == at).map(|(_, to)| *to);
            end = end.max(skips.max().unwrap_or_default());
            // `?*` is more precise than a person wants to read: names are never empty.
            if at < end || item.repeats {
                let stem = pattern.trim_end_matches(['*', '?']).len();
                pattern.truncate(stem);
                pattern.push('*');
            } else {
                match item.class.only() {
                    Some(c) => pattern.push(c),
                    None if pattern.ends_with('*') => {}
                    None => pattern.push('?'),
                }
            }
        }
        pattern
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::wildcard;

    fn like(pattern: &str) -> Language {
        Glob::like(pattern).into()
    }

    #[test]
    fn sets_are_put_together() {
        let branches = like("release/*")
            .without(like("release/*-alpha"))
            .or(Language::exactly("main"));
        for (text, want) in [
            ("main", true),
            ("release/1", true),
            ("release/1-alpha", false),
            ("release/1-alphas", true),
            ("mai", false),
            ("", false),
        ] {
            assert_eq!(branches.contains(text), want, "{text}");
        }
        assert_eq!(branches.example().text().as_deref(), Some("main"));
        assert_eq!(branches.is_within(&like("*a*")), Some(true));
        assert_eq!(branches.clone().and(like("*-alpha")).example(), Example::Nothing);
        assert_eq!(branches.covering(), ["release/*", "main"]);
    }

    #[test]
    fn emptiness_is_exact() {
        for (language, want) in [
            (Language::nothing(), Example::Nothing),
            (Language::everything(), Example::Found(String::new())),
            (like("a*").and(like("*b")), Example::Found("ab".to_owned())),
            (like("a?").and(like("?b")), Example::Found("ab".to_owned())),
            (like("a?").and(like("b*")), Example::Nothing),
            (like("*a*").without(like("*a*")), Example::Nothing),
            (like("a*").without(like("a?*")), Example::Found("a".to_owned())),
            (like("?*").without(like("*")), Example::Nothing),
            (
                like("*é?").without(like("*éa")).without(like("*éx")),
                Example::Found("éb".to_owned()),
            ),
        ] {
            assert_eq!(language.example(), want, "{language:?}");
        }
    }

    #[test]
    fn a_part_in_the_middle_has_a_set_of_its_own() {
        let names = like("repo:a/b:ref:refs/heads/*:x").inside("repo:a/b:ref:", ":x");
        assert!(names.contains("refs/heads/main") && !names.contains("refs/tags/v1"));
        assert_eq!(
            like("repo:*").inside("repo:a", "").is_within(&Language::everything()),
            Some(true)
        );
        assert_eq!(
            Language::everything().is_within(&like("repo:*").inside("repo:a", "")),
            Some(true)
        );
        assert_eq!(like("x*").inside("repo:", "").example(), Example::Nothing);
    }

    #[test]
    fn classes_have_complements() {
        let name = Class::of(&[('a', 'f'), (':', ':')]).others();
        assert!(name.has('g') && name.has('\0') && name.has(char::MAX) && !name.has('c') && !name.has(':'));
        assert_eq!(Class::any().others().0, []);
        assert_eq!(name.others().others(), name);
    }

    #[test]
    fn a_hostile_set_ends() {
        let hard = (0..12).fold(Language::everything(), |all, n| {
            all.and(like(&format!("*{n:x}{}", "?".repeat(40 + n))))
        });
        let _ = hard.example();
        assert_eq!(
            like(&"*a".repeat(2000)).example().text().map(|text| text.len()),
            Some(2000)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: prop::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

        #[test]
        fn membership_is_what_the_evaluator_says(pattern in "[ab/?*]{0,8}", text in "[ab/]{0,8}") {
            prop_assert_eq!(like(&pattern).contains(&text), wildcard::matches(&pattern, &text));
        }

        #[test]
        fn an_example_is_in_both(one in "[ab/?*]{0,8}", other in "[ab/?*]{0,8}", texts in prop::collection::vec("[ab/]{0,6}", 20)) {
            let both = like(&one).and(like(&other));
            let less = like(&one).without(like(&other));
            for (language, is_in) in [(&both, true), (&less, false)] {
                match language.example() {
                    Example::Found(text) => {
                        prop_assert!(wildcard::matches(&one, &text));
                        prop_assert_eq!(wildcard::matches(&other, &text), is_in);
                    }
                    Example::Nothing => for text in &texts {
                        prop_assert!(!(wildcard::matches(&one, text) && wildcard::matches(&other, text) == is_in), "{text}");
                    },
                    Example::Unknown => prop_assert!(false),
                }
            }
        }

        #[test]
        fn what_is_inside_fits_with_its_ends(pattern in "[ab/?*]{0,8}", ends in ("[ab]{0,2}", "[ab]{0,2}"), text in "[ab/]{0,5}") {
            let (before, after) = ends;
            let inside = like(&pattern).inside(&before, &after);
            prop_assert_eq!(inside.contains(&text), wildcard::matches(&pattern, &format!("{before}{text}{after}")));
            let again = inside.within(&Glob::default().text("x"), &Glob::default().text("y"));
            prop_assert_eq!(again.contains(&format!("x{text}y")), inside.contains(&text));
            if inside.contains(&text) {
                prop_assert!(inside.covering().iter().any(|cover| wildcard::matches(cover, &text)));
            }
        }

        #[test]
        fn what_covers_takes_in_all(pattern in "[ab/?*]{1,8}", text in "[ab/]{0,8}") {
            if like(&pattern).contains(&text) {
                prop_assert!(like(&pattern).covering().iter().any(|cover| wildcard::matches(cover, &text)));
            }
        }
    }
}

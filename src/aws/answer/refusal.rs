//! Parses `User: … is not authorized to perform: … on resource: … because …`.
//! (IAM User Guide, `troubleshoot_access-denied`.)

use super::text::{Rest, Text};

/// AWS refused an action. Parts missing from the message are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The caller's ARN.
    pub user: String,
    /// `sts:AssumeRole`, `ecr:PutImage`, …; the bare operation (`PutObject`) if the message says no more.
    pub action: String,
    /// The ARN of the requested resource.
    pub resource: String,
    /// The reason in AWS's words: "no identity-based policy allows the … action", "with an explicit deny in a …".
    pub because: Option<String>,
    /// The kind of policy that AWS names.
    pub policy: Option<PolicyKind>,
}

/// The kinds of policy that AWS names in a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    IdentityBased,
    PermissionsBoundary,
    ResourceBased,
    ResourceControl,
    RoleTrust,
    ServiceControl,
    Session,
    VpcEndpoint,
}

/// What ends the preceding part of a message.
const ENDS: [&str; 10] = [
    "on resource:",
    "on this resource",
    "because",
    "with an explicit deny",
    "(Service:",
    "status code",
    "User:",
    "Request ID",
    "is not authorized to",
    "Retrying after",
];

impl Refusal {
    /// All refusals in a message.
    pub(super) fn all(text: &Text) -> impl Iterator<Item = Self> {
        text.all_after("is not authorized to perform").map(|rest| {
            let rest = rest.strip(":").unwrap_or(rest);
            let user = rest.since("User:").map(|user| user.joined()).unwrap_or_default();
            let action = rest.until(&ENDS).filter(|action| is_action(&action.joined()));
            // If the message ends here, the next message's end must not be taken for this one's.
            let beyond = action.map_or(rest, |action| action.beyond());
            let resource = beyond.strip("on resource:");
            let (resource, clause) = match resource {
                Some(resource) => {
                    let whole = resource.until(&ENDS);
                    (name(resource, whole), whole.map_or(resource, |whole| whole.beyond()))
                }
                None => (String::new(), beyond.strip("on this resource").unwrap_or(beyond)),
            };
            Self {
                user: if user.is_ascii() { user } else { String::new() },
                action: action.map_or_else(|| rest.word_until(is_action), |action| action.joined()),
                resource,
                because: because(clause),
                policy: PolicyKind::named_at(clause).map(|(kind, _)| kind),
            }
        })
    }

    /// The caller's role and session name, from `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    #[must_use]
    pub fn session(&self) -> Option<(&str, &str)> {
        let (_, session) = self.user.split_once(":assumed-role/")?;
        Some(session.split_once('/').unwrap_or((session, "")))
    }

    /// The caller's account.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.user.split(':').nth(4)
    }
}

impl PolicyKind {
    const ALL: [Self; 8] = [
        Self::IdentityBased,
        Self::PermissionsBoundary,
        Self::ResourceBased,
        Self::ResourceControl,
        Self::RoleTrust,
        Self::ServiceControl,
        Self::Session,
        Self::VpcEndpoint,
    ];

    /// AWS's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IdentityBased => "identity-based policy",
            Self::PermissionsBoundary => "permissions boundary",
            Self::ResourceBased => "resource-based policy",
            Self::ResourceControl => "resource control policy",
            Self::RoleTrust => "role trust policy",
            Self::ServiceControl => "service control policy",
            Self::Session => "session policy",
            Self::VpcEndpoint => "VPC endpoint policy",
        }
    }

    /// The kind that a message names after one of these phrases.
    pub(super) fn named_after(text: &Text, phrases: &[&str]) -> Option<Self> {
        phrases.iter().filter_map(|phrase| text.after(phrase)).find_map(|rest| {
            let clause = rest.until(&["because no", "with an explicit deny in"])?.beyond();
            Self::named_at(clause).map(|(kind, _)| kind)
        })
    }

    /// The kind named at the start of a clause, and what follows: `because no … allows`, `with an explicit deny in a …`.
    fn named_at(clause: Rest<'_>) -> Option<(Self, Rest<'_>)> {
        let named = match clause.strip("with an explicit deny in") {
            // "… in a VPC endpoint policy transitively through a service control policy": the latter has to change.
            Some(named) => match named.until(&["transitively through"]) {
                Some(first) if first.squeezed().len() < 60 => first.beyond().strip("transitively through")?,
                _ => named,
            },
            None => clause.strip("because no")?,
        };
        let bare = ["the", "an", "a"].iter().find_map(|article| named.strip(article));
        [Some(named), bare].into_iter().flatten().find_map(|named| {
            Self::ALL
                .into_iter()
                .map(|kind| (kind, kind.name()))
                // AWS also writes "a sessions policy".
                .chain([(Self::Session, "sessions policy")])
                .find_map(|(kind, name)| Some((kind, named.strip(name)?)))
        })
    }
}

/// The clause that gives AWS's reason.
fn because(clause: Rest<'_>) -> Option<String> {
    let kind = PolicyKind::named_at(clause);
    if let Some(reason) = clause.strip("because") {
        let action = kind.and_then(|(_, rest)| {
            let rest = rest.strip("allows the")?;
            let word = rest.word();
            // A line break may split the action; `ListActions` ends like the word that follows.
            let is_whole = is_action(word) && rest.strip(&format!("{word} action")).is_some();
            let broken = || {
                rest.until(&["action"])
                    .map(|action| action.joined())
                    .filter(|action| is_action(action))
            };
            is_whole.then(|| word.to_owned()).or_else(broken)
        });
        return Some(match (kind, action) {
            (Some((kind, _)), Some(action)) => format!("no {} allows the {action} action", kind.name()),
            _ => reason.line().trim_end_matches('.').to_owned(),
        });
    }
    clause.strip("with an explicit deny")?;
    let Some((kind, rest)) = kind else {
        return Some("with an explicit deny".to_owned());
    };
    let article = match kind {
        PolicyKind::IdentityBased => "an",
        PolicyKind::RoleTrust => "the",
        _ => "a",
    };
    // Since 2026 AWS adds the policy's ARN. (AWS Security Blog, "Enhanced access denied error messages with policy ARNs".)
    let arn = [":", ", with policy ARN:"]
        .iter()
        .find_map(|before| rest.strip(before))
        .filter(|rest| rest.squeezed().starts_with("arn:"))
        .map(|rest| format!(": {}", rest.word_until(is_arn)))
        .unwrap_or_default();
    Some(format!("with an explicit deny in {article} {}{arn}", kind.name()))
}

/// A resource: quoted (as S3 does), an ARN that a line break may split, or a word.
fn name(rest: Rest<'_>, whole: Option<Rest<'_>>) -> String {
    if let Some((quoted, _)) = rest.as_str().strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        return quoted.replace('\n', "");
    }
    // If AWS's reason follows, everything before it is the resource, unless it contains other words.
    let whole = whole.filter(|whole| {
        let reason = ["because", "with an explicit deny"]
            .iter()
            .any(|reason| whole.beyond().strip(reason).is_some());
        reason && whole.as_str().lines().all(|line| !line.trim().contains(' '))
    });
    match whole.map(|whole| whole.joined()) {
        Some(resource) => resource,
        None => rest.word_until(|word| !word.starts_with("arn:") || is_arn(word)),
    }
}

/// Six parts, the last one not empty.
fn is_arn(word: &str) -> bool {
    word.splitn(6, ':').nth(5).is_some_and(|resource| !resource.is_empty())
}

/// `ecr:GetAuthorizationToken`.
fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty()
            && service.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !action.is_empty()
            && action.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*')
    })
}

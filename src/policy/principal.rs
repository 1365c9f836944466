//! Whether a principal of the policy matches the caller.
//!
//! IAM User Guide, `reference_policies_elements_principal`.

use super::masked::{self, Rule};
use super::{Outcome, PrincipalKind, RequestPrincipal};

const EVERYONE_FEDERATED: &str = "AWS does not say whether `*` covers a caller that an identity provider vouches for";
const EVERYONE_SERVICE: &str = "AWS does not say whether `*` covers a service";
const NO_REQUEST: &str = "it is not known who makes the request";
const REMOVED: &str = "the principal is the unique identifier of a user or role, and its ARN is not known";
const FEDERATED_USER: &str = "the caller is a federated user, and which user called `GetFederationToken` is not known";
pub(super) const MASKED: &str = "the principal or the caller is masked in a part that decides";
const NO_ARN: &str = "the caller is not an ARN";

/// The outcome, and why if it isn't self-explanatory.
pub(super) fn fit(
    kind: PrincipalKind,
    wanted: &str,
    caller: &RequestPrincipal,
    has_masks: bool,
) -> (Outcome, Option<&'static str>) {
    let hidden = |actual: &str| has_masks.then(|| masked::fit(wanted, actual, Rule::Equal)).flatten();
    let equals = |actual: &str| match hidden(actual) {
        Some(Outcome::Unknown) => (Outcome::Unknown, Some(MASKED)),
        Some(outcome) => (outcome, None),
        None => (Outcome::of(wanted == actual), None),
    };
    match (kind, caller) {
        (_, RequestPrincipal::Unknown) => (Outcome::Unknown, Some(NO_REQUEST)),
        (PrincipalKind::Everyone, caller) => everyone(caller),
        (PrincipalKind::Aws, caller) if wanted == "*" => everyone(caller),
        (PrincipalKind::Aws, RequestPrincipal::Aws(caller)) if hidden(caller).is_some() => {
            (Outcome::Unknown, Some(MASKED))
        }
        (PrincipalKind::Aws, RequestPrincipal::Aws(caller)) => aws(wanted, caller),
        (PrincipalKind::Federated, RequestPrincipal::Federated(_)) if wanted == "*" => {
            (Outcome::Unknown, Some(EVERYONE_FEDERATED))
        }
        (PrincipalKind::Federated, RequestPrincipal::Federated(caller)) => equals(caller),
        (PrincipalKind::Service, RequestPrincipal::Service(_)) if wanted == "*" => {
            (Outcome::Unknown, Some(EVERYONE_SERVICE))
        }
        (PrincipalKind::Service, RequestPrincipal::Service(caller)) => equals(caller),
        _ => (Outcome::NoMatch, None),
    }
}

/// How a policy's principal names an AWS caller that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Account,
    Everyone,
    /// By the caller's own ARN: a user's or a session's.
    Itself,
    /// By the role that the caller's session belongs to.
    Role,
}

/// How a principal would name an AWS caller; whether it matches is another question.
pub(super) fn reach(kind: PrincipalKind, wanted: &str, caller: &RequestPrincipal) -> Reach {
    let RequestPrincipal::Aws(caller) = caller else {
        return Reach::Itself;
    };
    if kind == PrincipalKind::Everyone || wanted == "*" {
        Reach::Everyone
    } else if is_account(wanted) || Arn::parse(wanted).is_some_and(|arn| arn.is_root()) {
        Reach::Account
    } else if Arn::parse(caller).is_some_and(|arn| arn.session_role().is_some()) && wanted != caller {
        Reach::Role
    } else {
        Reach::Itself
    }
}

/// `"Principal": "*"` and `{"AWS": "*"}` are equivalent, and stand for all AWS principals.
fn everyone(caller: &RequestPrincipal) -> (Outcome, Option<&'static str>) {
    match caller {
        RequestPrincipal::Aws(_) => (Outcome::Match, None),
        RequestPrincipal::Federated(_) => (Outcome::Unknown, Some(EVERYONE_FEDERATED)),
        RequestPrincipal::Service(_) => (Outcome::Unknown, Some(EVERYONE_SERVICE)),
        RequestPrincipal::Unknown => (Outcome::Unknown, Some(NO_REQUEST)),
    }
}

/// An account stands for all its principals, a role for all its sessions, anything else for itself. There are no partial
/// wildcards: "You cannot use a wildcard to match part of a principal name or ARN".
fn aws(wanted: &str, caller: &str) -> (Outcome, Option<&'static str>) {
    if wanted == caller {
        return (Outcome::Match, None);
    }
    if is_unique_id(wanted) {
        return (Outcome::Unknown, Some(REMOVED));
    }
    if is_account(caller) {
        let account = Arn::parse(wanted).filter(Arn::is_root).map(|arn| arn.account);
        return (Outcome::of(account == Some(caller)), None);
    }
    let Some(caller) = Arn::parse(caller) else {
        return (Outcome::Unknown, Some(NO_ARN));
    };
    if is_account(wanted) {
        return (Outcome::of(wanted == caller.account), None);
    }
    let Some(wanted) = Arn::parse(wanted) else {
        return (Outcome::NoMatch, None);
    };
    if wanted.partition != caller.partition || wanted.account != caller.account {
        return (Outcome::NoMatch, None);
    }
    if caller.is_federated_user() && wanted.is_user() {
        return (Outcome::Unknown, Some(FEDERATED_USER));
    }
    let is_session_of = wanted.role().is_some() && wanted.role() == caller.session_role();
    (Outcome::of(wanted.is_root() || is_session_of), None)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `AROA…`, `AIDA…`: what a principal's ARN becomes in the policy when the principal is deleted.
fn is_unique_id(text: &str) -> bool {
    text.len() >= 16
        && text.starts_with('A')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[derive(Clone, Copy)]
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.strip_prefix("arn:")?.splitn(5, ':');
        let (partition, service, _region) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            partition,
            service,
            account: fields.next()?,
            resource: fields.next()?,
        })
    }

    fn is_root(&self) -> bool {
        self.service == "iam" && self.resource == "root"
    }

    fn is_user(&self) -> bool {
        self.service == "iam" && self.resource.starts_with("user/")
    }

    /// A session that an IAM user got from `GetFederationToken`, under a name of the user's choice. What a policy grants to the
    /// user, it grants to the session (IAM User Guide, `reference_policies_evaluation-logic`).
    fn is_federated_user(&self) -> bool {
        self.service == "sts" && self.resource.starts_with("federated-user/")
    }

    /// The role's name, without its path: session ARNs omit the path, and names are unique within an account.
    fn role(&self) -> Option<&'a str> {
        let role = self.resource.strip_prefix("role/").filter(|_| self.service == "iam")?;
        role.rsplit('/').next()
    }

    fn session_role(&self) -> Option<&'a str> {
        let session = self
            .resource
            .strip_prefix("assumed-role/")
            .filter(|_| self.service == "sts")?;
        session.split('/').next()
    }
}

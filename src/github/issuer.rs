//! Who issues the token: which GitHub deployment, and how IAM writes its URL.

/// The URL of an issuer as IAM writes it in ARNs and condition keys: without `https://`.
#[must_use]
pub(crate) fn issuer_host(issuer: &str) -> &str {
    issuer.strip_prefix("https://").unwrap_or(issuer)
}

/// The issuer host of github.com.
pub(crate) const GITHUB_ISSUER: &str = "token.actions.githubusercontent.com";

/// Which deployment of GitHub (or something similar) an issuer belongs to.
/// (GitHub docs, "OpenID Connect reference"; configure-aws-credentials' README for Forgejo.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// github.com.
    GitHub,
    /// github.com with the enterprise's slug in the issuer.
    Enterprise,
    /// GHE.com, with data residency.
    DataResidency,
    /// GitHub Enterprise Server.
    Server,
    /// Forgejo.
    Forgejo,
    /// Not an issuer of tokens for GitHub's jobs.
    Other,
}

impl Deployment {
    /// The deployment of an issuer.
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        let host = issuer_host(issuer);
        if host == GITHUB_ISSUER {
            Self::GitHub
        } else if host.starts_with(GITHUB_ISSUER) && host.as_bytes().get(GITHUB_ISSUER.len()) == Some(&b'/') {
            Self::Enterprise
        } else if host.starts_with("token.actions.") && host.split('/').next().is_some_and(|h| h.ends_with(".ghe.com"))
        {
            Self::DataResidency
        } else if host.ends_with("/_services/token") {
            Self::Server
        } else if host.ends_with("/api/actions") {
            Self::Forgejo
        } else {
            Self::Other
        }
    }

    /// The issuer for a `GITHUB_SERVER_URL`, without an enterprise's slug. (GitHub docs, "OpenID Connect reference".)
    #[must_use]
    pub fn issuer_of_server(url: &str) -> String {
        let host = issuer_host(url).trim_end_matches('/');
        match host {
            "github.com" => format!("https://{GITHUB_ISSUER}"),
            host if host.ends_with(".ghe.com") => format!("https://token.actions.{host}"),
            host => format!("https://{host}/_services/token"),
        }
    }

    /// The audience of a token that was requested without one: the URL of the repository's owner; `None` if the issuer doesn't say
    /// which server that is on. (GitHub docs, "OpenID Connect reference", `aud`.)
    #[must_use]
    pub fn own_audience(issuer: &str, owner: &str) -> Option<String> {
        let host = issuer_host(issuer);
        let server = match Self::of(issuer) {
            Self::GitHub | Self::Enterprise => "github.com",
            Self::DataResidency => host.split('/').next()?.strip_prefix("token.actions.")?,
            Self::Server => host.strip_suffix("/_services/token")?,
            Self::Forgejo | Self::Other => return None,
        };
        Some(format!("https://{server}/{owner}"))
    }

    /// Whether STS evaluates GitHub's ten claims besides `sub` and `aud` for this deployment.
    /// (IAM User Guide, `reference_policies_iam-condition-keys`: not for GitHub Enterprise Server.)
    #[must_use]
    pub fn has_claim_keys(self) -> bool {
        matches!(self, Self::GitHub | Self::Enterprise | Self::DataResidency)
    }

    /// Whether a public authority issues its certificate, so that AWS needs no thumbprint.
    #[must_use]
    pub fn is_hosted_by_github(self) -> bool {
        self.has_claim_keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments() {
        for (issuer, want) in [
            ("https://token.actions.githubusercontent.com", Deployment::GitHub),
            (
                "https://token.actions.githubusercontent.com/acme",
                Deployment::Enterprise,
            ),
            ("https://token.actions.acme.ghe.com", Deployment::DataResidency),
            ("https://github.acme.example/_services/token", Deployment::Server),
            ("https://forge.example/api/actions", Deployment::Forgejo),
            ("https://gitlab.com", Deployment::Other),
            ("https://token.actions.githubusercontent.community", Deployment::Other),
        ] {
            assert_eq!(Deployment::of(issuer), want, "{issuer}");
        }
    }

    #[test]
    fn audiences_of_tokens_that_were_requested_without_one() {
        for (issuer, want) in [
            (
                "https://token.actions.githubusercontent.com",
                Some("https://github.com/acme"),
            ),
            (
                "https://token.actions.githubusercontent.com/slug",
                Some("https://github.com/acme"),
            ),
            ("https://token.actions.octo.ghe.com", Some("https://octo.ghe.com/acme")),
            (
                "https://github.acme.example/_services/token",
                Some("https://github.acme.example/acme"),
            ),
            ("https://gitlab.com", None),
        ] {
            let found = Deployment::own_audience(issuer, "acme");
            assert_eq!(found.as_deref(), want, "{issuer}");
        }
    }
}

//! Which store: as asked for on a command line.

use std::{fmt, net::IpAddr, path::PathBuf};

use http::Uri;

/// Which store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// dynoxide within this process.
    #[default]
    Embedded,
    /// Amazon's DynamoDB Local, in the way given or else in the first that this machine can do.
    DynamoDbLocal(Option<Way>),
    /// Any endpoint.
    Endpoint(Endpoint),
}

/// How DynamoDB Local is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its image, in a container.
    Docker,
    /// Its package, resolved by Maven.
    Maven,
    /// Its jar, which is already here.
    Jar(PathBuf),
}

impl Way {
    /// The variable that says which way.
    pub const VARIABLE: &str = "DYNAMODB_LOCAL";

    /// `docker`, `maven`, or the path of the jar.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "docker" => Self::Docker,
            "maven" => Self::Maven,
            path => Self::Jar(PathBuf::from(path)),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker => f.write_str("docker"),
            Self::Maven => f.write_str("maven"),
            Self::Jar(path) => path.display().fmt(f),
        }
    }
}

/// The address of a DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) uri: Uri,
    /// Whether it is beyond this machine and its private networks.
    pub(super) is_public: bool,
}

impl Endpoint {
    /// Reads `http://HOST:PORT` or `https://HOST`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is no endpoint of a DynamoDB: {why}");
        let like = "it must be like http://127.0.0.1:8000 or https://dynamodb.eu-central-1.amazonaws.com";
        let uri: Uri = text.parse().map_err(|_| wrong(like))?;
        let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(wrong(like));
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("there must be nothing behind the host and the port"));
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(wrong(
                "credentials go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ));
        }
        // `http` takes a port that is none for no port.
        if uri.authority().is_some_and(|authority| {
            let behind = authority.as_str().rsplit(']').next().unwrap_or_default();
            behind.contains(':') && matches!(authority.port_u16(), None | Some(0))
        }) {
            return Err(wrong("its port is not one of 1 to 65535"));
        }
        let is_public = is_public(host);
        Ok(Self { uri, is_public })
    }

    /// Whether it may cost money: it is beyond this machine and its private networks.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri.to_string().trim_end_matches('/'))
    }
}

/// Loopback and private addresses are not, nor are names without a dot: those of containers and of machines nearby.
fn is_public(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        Ok(IpAddr::V6(ip)) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        Err(_) => bare.contains('.'),
    }
}

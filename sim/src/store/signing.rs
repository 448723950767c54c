//! Signs requests anew for a store that looks at signatures: the service signs for the front, with the run's clock and
//! with keys that mean nothing.

use std::{fmt, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT},
};

/// What the SDK adds behind its own signature: they are the client's, and no part of it.
const UNSIGNED: [&str; 2] = ["amz-sdk-invocation-id", "amz-sdk-request"];
/// What a signature puts in.
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Who signs, and for which region.
#[derive(Clone)]
pub struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    /// Signs as the holder of these credentials.
    #[must_use]
    pub fn new(credentials: Credentials, region: &str) -> Self {
        Self {
            credentials,
            region: region.to_owned(),
        }
    }

    /// For stores that want a signature and check none.
    #[must_use]
    pub fn unchecked() -> Self {
        Self::new(
            Credentials::from_keys("simulated", "simulated", None),
            "us-east-1",
        )
    }

    /// Replaces the signature of a request by one of `at`, and its `Host` by that of its address. Every header is signed
    /// but those that proxies and clients change.
    ///
    /// # Errors
    /// When a header cannot be signed.
    pub fn sign(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &mut HeaderMap,
        body: &[u8],
        at: SystemTime,
    ) -> Result<(), String> {
        for stale in [AUTHORIZATION, DATE, TOKEN, CONNECTION] {
            headers.remove(stale);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
        headers.insert(HOST, host);
        let signable = headers
            .iter()
            .filter(|(name, _)| {
                ![USER_AGENT, TRANSFER_ENCODING].contains(name) && !UNSIGNED.contains(&name.as_str())
            })
            .map(|(name, value)| Ok((name.as_str(), value.to_str().map_err(|error| error.to_string())?)))
            .collect::<Result<Vec<_>, String>>()?;
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("dynamodb")
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let uri = uri.to_string();
        let request = SignableRequest::new(
            method.as_str(),
            uri,
            signable.into_iter(),
            SignableBody::Bytes(body),
        )
        .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(request, &params)
            .map_err(|error| error.to_string())?
            .into_parts();
        for (name, value) in instructions.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            let mut value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

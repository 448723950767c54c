//! Which bodies are binary.
//!
//! Whether a request is binary is asked of its `Content-Type`, whether an answer may be is asked of the request's `Accept`,
//! and nothing else: the answer's own type does not matter (a: `LocalStack`'s `test_aws_proxy_binary_response`, recorded
//! against AWS; the `Content-Type` side was confirmed against AWS in ministackorg/ministack pull request 767).

/// The binary media types of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BinaryTypes {
    /// `*/*` is among them.
    all: bool,
    /// `image/png`, or `image/*`; lower case.
    listed: Vec<(String, String)>,
}

impl BinaryTypes {
    pub(super) fn new(types: &[String]) -> Self {
        let mut binary = Self::default();
        for one in types {
            // CloudFormation has the slash as `~1`.
            let one = one.replace("~1", "/").to_ascii_lowercase();
            let one = one.split(';').next().unwrap_or_default().trim();
            match one.split_once('/') {
                Some(("*", "*")) => binary.all = true,
                // A wildcard on the left with a type on the right matches nothing (a).
                Some(("*", _)) | None => {}
                Some((kind, subtype)) => binary.listed.push((kind.to_owned(), subtype.to_owned())),
            }
        }
        binary
    }

    /// Whether the value of a `Content-Type` or `Accept` header is binary. Only its first media type counts (a), and a
    /// wildcard in it is taken to the letter: `image/*` is not `image/png`, but is `image/*` (a). No header is binary
    /// only where everything is (b: "add `*/*` to treat all content types as binary").
    pub(super) fn include(&self, header: Option<&str>) -> bool {
        if self.all {
            return true;
        }
        let Some((kind, subtype)) = header.map(first_type).and_then(|first| first.split_once('/')) else {
            return false;
        };
        self.listed.iter().any(|(listed, sub)| {
            kind.eq_ignore_ascii_case(listed) && (sub == "*" || subtype.eq_ignore_ascii_case(sub))
        })
    }
}

/// The first media type of a header, without its parameters.
pub(super) fn first_type(header: &str) -> &str {
    let first = header.split(',').next().unwrap_or_default();
    first.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(types: &[&str]) -> BinaryTypes {
        BinaryTypes::new(&types.iter().map(|&one| one.to_owned()).collect::<Vec<_>>())
    }

    /// Each row of `LocalStack`'s recorded test, with its three deployments.
    #[test]
    fn accept_decides_as_recorded() {
        let none = binary(&[]);
        assert!(!none.include(Some("image/png")));
        let png = binary(&["image/png", "*/test"]);
        let rows = [
            (Some("image/png"), true),
            (Some("image/jpg"), false),
            (Some("image/*"), false),
            (Some("*/test"), false),
            (Some("random/test"), false),
            (Some("*/*"), false),
            (Some("image/webp,image/png,*/*;q=0.8"), false),
            (Some("image/png,image/*,*/*;q=0.8"), true),
        ];
        for (accept, expected) in rows {
            assert_eq!(png.include(accept), expected, "{accept:?}");
        }
        let wild = binary(&["image/png", "application~1*", "image/jpg"]);
        let rows = [
            (Some("application/whatever"), true),
            (Some("application/*"), true),
            (Some("image/jpg"), true),
            (Some("application"), false),
            (None, false),
        ];
        for (accept, expected) in rows {
            assert_eq!(wild.include(accept), expected, "{accept:?}");
        }
        let all = binary(&["*~1*"]);
        for accept in [None, Some("application/json"), Some("*/*"), Some("nonsense")] {
            assert!(all.include(accept), "{accept:?}");
        }
    }
}

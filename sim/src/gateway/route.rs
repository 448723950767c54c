//! Which method of which resource a request is for.

use std::collections::BTreeMap;

use super::error::GatewayError;

/// The methods that `ANY` stands for (a: `LocalStack`'s router, from recorded answers).
const ANY: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Part of a resource's path. The order is that of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// `prices`
    Fixed(String),
    /// `{symbol}`: one segment.
    Parameter(String),
    /// `{proxy+}`: all that follow.
    Greedy(String),
}

/// The methods of an API, most specific first.
#[derive(Clone, Debug, Default)]
pub(super) struct Router {
    routes: Vec<Route>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    segments: Vec<Segment>,
    any: bool,
    http_method: String,
    /// Place of the method in the API.
    method: usize,
}

/// What a path is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Place of the method in the API.
    pub(super) method: usize,
    /// Name → value, percent-encoded as it came (a: the recorded event keeps `%2B`; AWS's important notes say that
    /// parameters are decoded, which holds for other integrations).
    pub(super) parameters: BTreeMap<String, String>,
}

impl Router {
    /// Adds a method.
    ///
    /// # Errors
    /// The resource's path or the method is none, or the method is there already.
    pub(super) fn add(
        &mut self,
        resource: &str,
        http_method: &str,
        method: usize,
    ) -> Result<(), GatewayError> {
        let place = format!("{http_method} {resource}");
        let any = http_method == "ANY";
        if !any && !ANY.contains(&http_method) {
            return Err(GatewayError::new(
                place,
                "API Gateway has no such method",
                format!("use ANY or one of {}", ANY.join(", ")),
            ));
        }
        let segments = parse(resource, &place)?;
        let is_same = |route: &Route| route.segments == segments && route.http_method == http_method;
        if self.routes.iter().any(is_same) {
            return Err(GatewayError::new(
                place,
                "the method is defined twice",
                "remove one",
            ));
        }
        self.routes.push(Route {
            segments,
            any,
            http_method: http_method.to_owned(),
            method,
        });
        // Fixed segments go before parameters and these before the rest of a path (a: `test_routing_with_hardcoded…`); a
        // method of its own goes before ANY (a). A resource without the method asked for leaves the request to a less
        // specific one (a).
        self.routes.sort();
        Ok(())
    }

    /// The method for a path without the stage. Slashes at its end do not count (a), nor do several at its start (a:
    /// `/stage//hardcoded`); elsewhere an empty segment is one (a: in `{proxy+}`).
    pub(super) fn find(&self, http_method: &str, path: &str) -> Option<Found> {
        let path = path.trim_matches('/');
        let asked: Vec<&str> = match path {
            "" => Vec::new(),
            path => path.split('/').collect(),
        };
        self.routes
            .iter()
            .filter(|route| match route.any {
                true => ANY.contains(&http_method),
                false => route.http_method == http_method,
            })
            .find_map(|route| {
                let parameters = matched(&route.segments, &asked)?;
                Some(Found {
                    method: route.method,
                    parameters,
                })
            })
    }
}

fn parse(resource: &str, place: &str) -> Result<Vec<Segment>, GatewayError> {
    let refuse = |problem: &str, remedy: &str| Err(GatewayError::new(place, problem, remedy));
    let Some(path) = resource.strip_prefix('/') else {
        return refuse(
            "the path does not begin with a slash",
            "write it as /prices/{symbol}",
        );
    };
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    for text in path.split('/') {
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let segment = match name {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Segment::Greedy(name.to_owned()),
                None => Segment::Parameter(name.to_owned()),
            },
            None => Segment::Fixed(text.to_owned()),
        };
        let (Segment::Fixed(name) | Segment::Parameter(name) | Segment::Greedy(name)) = &segment;
        // (b: API Gateway's important notes)
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ',' | ':');
        if name.is_empty() || !name.chars().all(is_allowed) {
            return refuse(
                "a segment of the path has a character that API Gateway does not take, or none at all",
                "use letters, digits and _ - . , : and make a parameter the whole of its segment",
            );
        }
        if matches!(segments.last(), Some(Segment::Greedy(_))) {
            return refuse("something follows a greedy parameter", "put {proxy+} at the end");
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn matched(segments: &[Segment], asked: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for (place, segment) in segments.iter().enumerate() {
        let text = *asked.get(place)?;
        match segment {
            Segment::Fixed(fixed) if fixed == text => {}
            Segment::Fixed(_) => return None,
            // No empty one (c).
            Segment::Parameter(_) if text.is_empty() => return None,
            Segment::Parameter(name) => {
                parameters.insert(name.clone(), text.to_owned());
            }
            Segment::Greedy(name) => {
                parameters.insert(name.clone(), asked.get(place..)?.join("/"));
                return Some(parameters);
            }
        }
    }
    (asked.len() == segments.len()).then_some(parameters)
}

/// What comes before the API's own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Staged {
    /// With the stage and without slashes before it, as `requestContext.path` has it (a).
    pub(super) full: String,
    /// Without the stage and with one slash at its start, as `path` has it (a).
    pub(super) path: String,
}

/// The path of a request to `/{stage}/…`; nothing for another stage. Slashes before the stage do not count (a).
pub(super) fn within_stage(path: &str, stage: &str) -> Option<Staged> {
    let rest = path.trim_start_matches('/').strip_prefix(stage)?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    Some(Staged {
        full: format!("/{stage}{rest}"),
        path: format!("/{}", rest.trim_start_matches('/')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(methods: &[(&str, &str)]) -> Router {
        let mut router = Router::default();
        for (place, (http_method, resource)) in methods.iter().enumerate() {
            router.add(resource, http_method, place).unwrap();
        }
        router
    }

    fn found(router: &Router, http_method: &str, path: &str) -> Option<(usize, String)> {
        let found = router.find(http_method, path)?;
        let parameters: Vec<String> = found
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Some((found.method, parameters.join(" ")))
    }

    /// `LocalStack`'s `TestApigatewayRouting`, recorded against AWS, and what follows from it.
    #[test]
    fn the_most_specific_resource_that_has_the_method_is_found() {
        let router = router(&[
            ("GET", "/{param+}"),
            ("GET", "/part1"),
            ("GET", "/part1/hardcoded-value"),
            ("ANY", "/test/any"),
            ("GET", "/test/any"),
            ("GET", "/one/{id}"),
            ("POST", "/"),
        ]);
        let rows = [
            ("GET", "/part1", Some((1, ""))),
            ("GET", "/part1/", Some((1, ""))),
            ("GET", "/part1/hardcoded-value", Some((2, ""))),
            (
                "GET",
                "/part1/random-value",
                Some((0, "param=part1/random-value")),
            ),
            ("OPTIONS", "/test/any", Some((3, ""))),
            ("GET", "/test/any", Some((4, ""))),
            ("TRACE", "/test/any", None),
            ("POST", "/part1", None),
            ("HEAD", "/part1", None),
            ("GET", "/one/a%2Fb%20c", Some((5, "id=a%2Fb%20c"))),
            ("GET", "/one//", Some((0, "param=one"))),
            ("GET", "/one//x", Some((0, "param=one//x"))),
            ("GET", "/", None),
            ("POST", "/", Some((6, ""))),
            ("POST", "", Some((6, ""))),
        ];
        for (http_method, path, expected) in rows {
            let expected = expected.map(|(method, parameters)| (method, parameters.to_owned()));
            assert_eq!(
                found(&router, http_method, path),
                expected,
                "{http_method} {path}"
            );
        }
    }

    #[test]
    fn the_stage_is_the_first_segment() {
        let staged = |path| within_stage(path, "dev").map(|staged| (staged.full, staged.path));
        let both = |full: &str, path: &str| Some((full.to_owned(), path.to_owned()));
        assert_eq!(staged("/dev/prices"), both("/dev/prices", "/prices"));
        assert_eq!(staged("//dev/prices/"), both("/dev/prices/", "/prices/"));
        assert_eq!(staged("/dev//prices"), both("/dev//prices", "/prices"));
        assert_eq!(staged("/dev/a//b"), both("/dev/a//b", "/a//b"));
        assert_eq!(staged("/dev"), both("/dev", "/"));
        assert_eq!(staged("/develop/prices"), None);
        assert_eq!(staged("/prices"), None);
        assert_eq!(staged("/"), None);
        assert_eq!(staged("*"), None);
    }

    #[test]
    fn what_api_gateway_would_not_take_is_refused() {
        let error = |http_method: &str, resource: &str| {
            let mut router = Router::default();
            let added = router.add(resource, http_method, 0);
            added.map_err(|error| error.to_string()).unwrap_err()
        };
        let errors = [
            error("get", "/prices"),
            error("GET", "prices"),
            error("GET", "/a{b}"),
            error("GET", "/{proxy+}/x"),
        ]
        .join("\n");
        insta::assert_snapshot!(errors, @r"
        get /prices: API Gateway has no such method; use ANY or one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT
        GET prices: the path does not begin with a slash; write it as /prices/{symbol}
        GET /a{b}: a segment of the path has a character that API Gateway does not take, or none at all; use letters, digits and _ - . , : and make a parameter the whole of its segment
        GET /{proxy+}/x: something follows a greedy parameter; put {proxy+} at the end
        ");
    }
}

//! `lambda event`: the event that a function gets of the template's gateway, or of its schedule.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use service::rng::SystemRng;

use crate::{
    cli::{args::EventArgs, exit::Exit, printer},
    clock::system_now,
    deployed::{Deployed, entrance, eventbridge::scheduled},
    gateway::{Arrival, Settings, Step},
    lambda::ids::{trace_id, uuid},
};

/// Stands for the key of a client.
const KEY: &str = "local-key-000000000000";
/// What a schedule's event is asked for by.
const SCHEDULE: &str = "schedule";

/// Prints the event; or what the gateway answers by itself, and why there is no event.
pub fn event(args: &EventArgs) -> Exit {
    match made(args) {
        Ok(Made::Event(event)) => {
            printer::result(&String::from_utf8_lossy(&event));
            Exit::Held
        }
        Ok(Made::Answer(status, body)) => {
            printer::notice(&format!("the gateway answers by itself: {status}\n{body}"));
            Exit::ExpectationFailed
        }
        Err((problem, exit)) => {
            printer::notice(&format!("error: {problem}"));
            exit
        }
    }
}

enum Made {
    Event(Bytes),
    Answer(u16, String),
}

fn made(args: &EventArgs) -> Result<Made, (String, Exit)> {
    let of_template = |problem: String| (problem, Exit::Harness);
    let deployed = Deployed::modelled(Path::new("."), &args.environment)
        .map_err(|error| of_template(error.to_string()))?;
    let deployment = &deployed.deployment;
    let now_ms = jiff::Timestamp::try_from(system_now()).map_or(0, jiff::Timestamp::as_millisecond);
    if args.request == SCHEDULE {
        let rule = deployment
            .schedules
            .first()
            .ok_or_else(|| of_template("the template has no schedule".to_owned()))?;
        return Ok(Made::Event(scheduled(&SystemRng, &rule.name, now_ms)));
    }
    let wrong = |why: &str| {
        let problem = format!(
            "{:?}: {why}; write a method and a path, such as \"GET /prices?symbols=BTC\", or {SCHEDULE}",
            args.request
        );
        (problem, Exit::Usage)
    };
    let (method, path) = args.request.split_once(' ').ok_or_else(|| wrong("no space"))?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong("no method"))?;
    if !path.starts_with('/') {
        return Err(wrong("a path begins with `/`"));
    }
    let keys = [(KEY.to_owned(), true)];
    let mut gateway =
        entrance::gateway(deployment, &keys, now_ms).map_err(|error| of_template(error.to_string()))?;
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/{}{path}", gateway.stage()))
        .body(Bytes::new())
        .map_err(|_| wrong("no path"))?;
    let host = HeaderValue::from_str(&Settings::default().domain_name)
        .map_err(|error| of_template(error.to_string()))?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("crypto-watch-sim"));
    headers.insert(
        HeaderName::from_static("x-api-key"),
        HeaderValue::from_static(KEY),
    );
    let arrival = Arrival {
        now_ms,
        source_ip: "127.0.0.1".to_owned(),
        request_id: uuid(&SystemRng),
        extended_request_id: "local".to_owned(),
        trace_id: trace_id(&SystemRng, now_ms / 1000),
    };
    Ok(match gateway.receive(&request, arrival) {
        Step::Invoke(invocation) => Made::Event(Bytes::from(invocation.payload)),
        Step::Answer(answer) => Made::Answer(
            answer.response.status().as_u16(),
            String::from_utf8_lossy(answer.response.body()).into_owned(),
        ),
    })
}

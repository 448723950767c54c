//! Stores that cannot be had, from outside: one message, exit code 3, and nothing left running.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::harness::{Finished, Folder, scenario};

/// What a command says that is given these variables on top.
fn run(store: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    folder.scenario("tiny.toml", &scenario("2m", ""));
    let args = [&["run", "--out", "out", "--clock", "real", "tiny.toml"], store].concat();
    let mut command = folder.command(&args);
    command
        .env_remove("DYNAMODB_LOCAL")
        .envs(variables.iter().copied());
    let Finished { code, stdout, stderr } = folder.finish(&mut command);
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    stderr
}

/// The line that says what is wrong, and those that belong to it.
fn problem(stderr: &str) -> String {
    let lines = stderr.lines().skip_while(|line| !line.starts_with("error: "));
    let lines = lines.take_while(|line| !line.starts_with("results are in"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_jar_that_is_missing_is_an_error_of_the_harness() {
    let by_flag = ["--store", "dynamodb-local", "--dynamodb-local", "/nowhere/it.jar"];
    let said = run(&by_flag, &[]);
    insta::assert_snapshot!(problem(&said), @"error: tiny: the store is not usable: there is no file /nowhere/it.jar; --dynamodb-local and DYNAMODB_LOCAL take `docker`, `maven` or the path of DynamoDBLocal.jar");
    let by_variable = run(
        &["--store", "dynamodb-local"],
        &[("DYNAMODB_LOCAL", "/nowhere/it.jar")],
    );
    assert_eq!(problem(&by_variable), problem(&said));
    assert!(
        said.contains("DynamoDB Local from /nowhere/it.jar (as asked for)"),
        "{said}"
    );
}

#[test]
fn a_docker_that_does_not_answer_is_not_fallen_back_from() {
    // A port that was free a moment ago.
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let host = format!("tcp://{}", nobody.expect("a free port"));
    let said = run(
        &["--store", "dynamodb-local", "--dynamodb-local", "docker"],
        &[("DOCKER_HOST", &host)],
    );
    let problem = problem(&said);
    assert!(
        problem.starts_with("error: tiny: the store is not usable: Docker does not answer (")
            && problem.ends_with(
                "start an engine, or play with --dynamodb-local maven, which needs Java 17 and Maven"
            ),
        "{problem}"
    );
    assert!(!said.contains("by Maven"), "{said}");
}

#[test]
fn an_endpoint_that_is_no_dynamodb_is_an_error_of_the_harness() {
    let page = Engine::start(|_, _| (200, "<html>It works!</html>".to_owned()));
    let said = run(&["--store", &page.url("http")], &[]);
    let problem = problem(&said);
    assert!(
        problem.starts_with("error: tiny: the store is not usable: cannot create the table `sim-")
            && problem.ends_with("it is no DynamoDB: it answered 200 with `<html>It works!</html>`"),
        "{problem}"
    );
}

/// A stub of a Docker engine, or of any server of HTTP.
struct Engine {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// `answer` is given the method and the path, without the version of the API.
    fn start(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &log, &answer);
            }
        });
        Self { address, asked }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// How often it was asked for each of what begins so.
    fn count(&self, start: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|line| line.starts_with(start)).count()
    }
}

/// One request to a connection.
fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str, &str) -> (u16, String)) {
    let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
    let head = loop {
        match stream.read(&mut more) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&more[..read]),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let fields: BTreeMap<String, String> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = fields
            .get("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        if body.len() >= length {
            break head.to_owned();
        }
    };
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
        Some((version, rest)) if version.starts_with('1') => format!("/{rest}"),
        _ => path.to_owned(),
    };
    let (status, body) = answer(method, &path);
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(format!("{method} {path}"));
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// What the engine says that has no such thing.
fn nothing() -> (u16, String) {
    (404, "{\"message\":\"no such thing\"}".to_owned())
}

const VERSION: &str = "{\"Version\":\"28.0.0\",\"ApiVersion\":\"1.48\"}";

fn in_docker(engine: &Engine) -> String {
    run(
        &["--store", "dynamodb-local", "--dynamodb-local", "docker"],
        &[("DOCKER_HOST", &engine.url("tcp"))],
    )
}

#[test]
fn an_image_that_is_not_here_and_cannot_be_pulled_is_named() {
    let engine = Engine::start(|method, path| match method {
        "GET" if path == "/version" => (200, VERSION.to_owned()),
        "POST" if path.starts_with("/images/create") => {
            (500, "{\"message\":\"dial tcp: no such host\"}".to_owned())
        }
        _ => nothing(),
    });
    let said = in_docker(&engine);
    let problem = problem(&said);
    let expected = "error: tiny: the store is not usable: the image amazon/dynamodb-local:3.3.1 is not on this machine and \
                    cannot be pulled: ";
    assert!(
        problem.starts_with(expected) && problem.contains("no such host") && problem.contains("docker load"),
        "{problem}"
    );
    assert!(said.contains("DynamoDB Local License Agreement"), "{said}");
    assert!(engine.count("POST /images/create") >= 1, "it was asked for");
}

#[test]
fn a_container_that_dies_is_quoted_and_removed() {
    // A frame of the engine's log: one line on standard error.
    let line = "Error: Unable to access jarfile\n";
    let log = format!("\u{2}\0\0\0\0\0\0{}{line}", char::from(line.len() as u8));
    let engine = Engine::start(move |method, path| match method {
        "GET" if path == "/version" => (200, VERSION.to_owned()),
        "GET" if path.starts_with("/images/") => (200, "{\"Id\":\"sha256:0\"}".to_owned()),
        "POST" if path.starts_with("/containers/create") => {
            (201, "{\"Id\":\"dead\",\"Warnings\":[]}".to_owned())
        }
        "POST" if path.contains("/start") => (204, String::new()),
        "GET" if path.contains("/logs") => (200, log.clone()),
        "GET" if path.starts_with("/containers/") => (
            200,
            "{\"Id\":\"dead\",\"State\":{\"Status\":\"exited\",\"Running\":false,\"ExitCode\":1},\
             \"NetworkSettings\":{\"Ports\":{},\"Networks\":{}}}"
                .to_owned(),
        ),
        "DELETE" => (204, String::new()),
        _ => nothing(),
    });
    let problem = problem(&in_docker(&engine));
    assert!(
        problem.contains("the container of amazon/dynamodb-local:3.3.1 ended while it was needed (exit code 1); its last lines:")
            && problem.contains("Unable to access jarfile"),
        "{problem}"
    );
    assert!(engine.count("DELETE /containers/") >= 1, "it is removed");
}

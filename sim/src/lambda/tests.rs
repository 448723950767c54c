//! Execution environments with runtimes written in bash, which can speak to a socket.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{
    function::Function,
    outcome::{Failure, Outcome},
    report::Report,
    sandbox::{Invocation, Log, Sandbox},
};
use crate::template::model::LogFormat;

/// What a runtime does, for scripts: `next` sets `id` and `event`, `answer BODY` answers it.
const RUNTIME: &str = r#"#!/bin/bash
ask() {
    exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
    printf '%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
        "$1" "$2" "${#3}" "$3" >&3
}
next() {
    ask GET invocation/next ''
    local line
    while IFS= read -r line <&3 && line=${line%$'\r'} && [[ -n $line ]]; do
        [[ ${line,,} == lambda-runtime-aws-request-id:* ]] && id=${line#*: }
    done
    event=$(cat <&3)
}
answer() { ask POST "invocation/$id/response" "$1" && cat <&3 >/dev/null; }
"#;

struct Stage {
    folder: TempDir,
    lines: Arc<Mutex<Vec<String>>>,
    sandbox: Sandbox,
}

impl Stage {
    async fn new(script: &str) -> Self {
        Self::with(script, Duration::from_secs(20), 256).await
    }

    async fn with(script: &str, timeout: Duration, memory_mb: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bootstrap = folder.path().join("bootstrap");
        fs::write(&bootstrap, format!("{RUNTIME}{script}\n")).expect("a file");
        fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).expect("a mode");
        let function = Function {
            name: "f".to_owned(),
            bootstrap,
            handler: "bootstrap".to_owned(),
            timeout,
            memory_mb,
            environment: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            log_format: LogFormat::Text,
            application_log_level: None,
            log_group: None,
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let hear = {
            let lines = Arc::clone(&lines);
            Arc::new(move |line: &str| {
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line.to_owned())
            })
        };
        let log = Log {
            function: hear.clone(),
            platform: hear,
        };
        let sandbox = Sandbox::new(Arc::new(function), log, "stream".to_owned())
            .await
            .expect("a port");
        Self {
            folder,
            lines,
            sandbox,
        }
    }

    async fn invoke(&mut self, id: &str) -> (Report, Outcome) {
        let (answer, _answered) = oneshot::channel();
        let invocation = Invocation {
            request_id: id.to_owned(),
            trace_id: "Root=1-0-0".to_owned(),
            payload: Bytes::from(format!(r#"{{"id":"{id}"}}"#)),
            ordeal: None,
        };
        self.sandbox.invoke(invocation, answer).await
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The log, without what differs from run to run.
    fn log(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |word: &str| word.parse::<f64>().is_ok() || word.parse::<jiff::Timestamp>().is_ok();
        let steady = |line: &String| {
            let words = line.split(' ').map(|word| if number(word) { "N" } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        lines.iter().map(steady).collect::<Vec<_>>().join("\n")
    }
}

fn text(outcome: &Outcome) -> &str {
    std::str::from_utf8(&outcome.payload).expect("text")
}

/// Whether the process lives whose id a script wrote down.
fn runs(id: &str) -> bool {
    super::process::runs(id.trim().parse().expect("a process id"))
}

/// Waits until it is so: a signal takes a moment to come.
async fn becomes(mut so: impl FnMut() -> bool) {
    let waited = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited)
        .await
        .expect("it becomes so");
}

#[tokio::test]
async fn an_environment_is_started_once_and_used_again() {
    let mut stage = Stage::new(
        "n=0; while next; do ((++n)); echo \"saw $event\"; answer \"$GREETING $n $_HANDLER\"; done",
    )
    .await;
    let (first, outcome) = stage.invoke("one").await;
    assert_eq!(text(&outcome), "hello 1 bootstrap");
    assert!(first.init.is_some() && first.memory > 0, "{first:?}");
    let (second, outcome) = stage.invoke("two").await;
    assert_eq!(text(&outcome), "hello 2 bootstrap");
    assert_eq!(second.init, None);
    insta::assert_snapshot!(stage.log(), @r#"
    START RequestId: one Version: $LATEST
    saw {"id":"one"}
    END RequestId: one
    REPORT RequestId: one	Duration: N ms	Billed Duration: N ms	Memory Size: N MB	Max Memory Used: N MB	Init Duration: N ms	
    START RequestId: two Version: $LATEST
    saw {"id":"two"}
    END RequestId: two
    REPORT RequestId: two	Duration: N ms	Billed Duration: N ms	Memory Size: N MB	Max Memory Used: N MB
    "#);
}

#[tokio::test]
async fn nothing_runs_between_two_invocations() {
    let mut stage =
        Stage::new("(while sleep 0.01; do echo >>ticks; done) & while next; do answer done; done").await;
    stage.invoke("one").await;
    let ticks = stage.file("ticks");
    let size = || fs::metadata(&ticks).map_or(0, |file| file.len());
    // The stop is asked for, and takes a moment to come.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopped = size();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(size(), stopped, "it stands still");
    stage.invoke("two").await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while size() <= stopped {
            stage.invoke("again").await;
        }
    })
    .await
    .expect("it goes on while it is invoked");
}

#[tokio::test]
async fn what_takes_too_long_is_killed_and_started_again() {
    let mut stage = Stage::with(
        "echo $$ >pid; [[ -e once ]] || { touch once; next; sleep 1000; }; while next; do answer again; done",
        Duration::from_secs(3),
        256,
    )
    .await;
    let (report, outcome) = stage.invoke("one").await;
    assert_eq!(outcome.failure, Some(Failure::Timeout));
    insta::assert_snapshot!(text(&outcome), @r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: one Error: Task timed out after 3.00 seconds"}"#);
    let id = fs::read_to_string(stage.file("pid")).expect("it wrote its id");
    becomes(|| !runs(&id)).await;
    assert!(report.init.is_some());
    let (report, outcome) = stage.invoke("two").await;
    assert_eq!(
        (text(&outcome), report.init),
        ("again", None),
        "a start that is not billed as one"
    );
    insta::assert_snapshot!(stage.log(), @r"
    START RequestId: one Version: $LATEST
    N one Task timed out after N seconds
    END RequestId: one
    REPORT RequestId: one	Duration: N ms	Billed Duration: N ms	Memory Size: N MB	Max Memory Used: N MB	Init Duration: N ms	Status: timeout	
    START RequestId: two Version: $LATEST
    END RequestId: two
    REPORT RequestId: two	Duration: N ms	Billed Duration: N ms	Memory Size: N MB	Max Memory Used: N MB
    ");
}

#[tokio::test]
async fn what_ends_is_told_with_its_status() {
    for (script, failure) in [
        ("next; exit 127", Failure::Exited),
        ("next; exit 0", Failure::Exited),
        ("next; kill -SEGV $$; sleep 10", Failure::Exited),
        ("exit 3", Failure::Exited),
    ] {
        let mut stage = Stage::new(script).await;
        let (_, outcome) = stage.invoke("one").await;
        assert_eq!(outcome.failure, Some(failure), "{script}");
        stage
            .lines
            .lock()
            .expect("no panic")
            .push(format!("{script}: {}", text(&outcome)));
        if script == "exit 3" {
            insta::assert_snapshot!(stage.log(), @r#"
            INIT_REPORT Init Duration: N ms	Phase: init	Status: error	Error Type: Runtime.ExitError
            START RequestId: one Version: $LATEST
            END RequestId: one
            REPORT RequestId: one	Duration: N ms	Billed Duration: N ms	Memory Size: N MB	Max Memory Used: N MB	Status: error	Error Type: Runtime.ExitError	
            exit 3: {"errorType":"Runtime.ExitError","errorMessage":"RequestId: one Error: Runtime exited with error: exit status 3"}
            "#);
        } else {
            let told = text(&outcome);
            match script {
                "next; exit 127" => {
                    insta::assert_snapshot!(told, @r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: one Error: Runtime exited with error: exit status 127"}"#)
                }
                "next; exit 0" => {
                    insta::assert_snapshot!(told, @r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: one Error: Runtime exited without providing a reason"}"#)
                }
                _ => {
                    insta::assert_snapshot!(told, @r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: one Error: Runtime exited with error: signal: segmentation fault"}"#)
                }
            }
        }
    }
}

#[tokio::test]
async fn a_start_without_end_is_cut_off_and_tried_again() {
    let mut stage = Stage::with("sleep 1000", Duration::from_secs(1), 256).await;
    stage.sandbox = stage.sandbox.starting_within(Duration::from_millis(200));
    let (report, outcome) = stage.invoke("one").await;
    assert_eq!((outcome.failure, report.init), (Some(Failure::Timeout), None));
    insta::assert_snapshot!(stage.log(), @r"
    INIT_REPORT Init Duration: N ms	Phase: init	Status: timeout
    START RequestId: one Version: $LATEST
    N one Task timed out after N seconds
    END RequestId: one
    REPORT RequestId: one	Duration: N ms	Billed Duration: N ms	Memory Size: N MB	Max Memory Used: N MB	Status: timeout
    ");
}

#[tokio::test]
async fn a_start_that_says_why_it_fails_is_heard() {
    let script = r#"ask POST init/error '{"errorType":"Function.NoTable","errorMessage":"set it"}'; cat <&3 >/dev/null; exit 1"#;
    let mut stage = Stage::new(script).await;
    let (_, outcome) = stage.invoke("one").await;
    assert_eq!(outcome.failure, Some(Failure::Init));
    assert_eq!(
        text(&outcome),
        r#"{"errorType":"Function.NoTable","errorMessage":"set it"}"#
    );
}

#[tokio::test]
async fn what_is_answered_twice_counts_once() {
    let mut stage = Stage::new("while next; do answer first; answer second; done").await;
    for id in ["one", "two"] {
        let (_, outcome) = stage.invoke(id).await;
        assert_eq!((text(&outcome), outcome.failure), ("first", None));
    }
}

#[tokio::test]
async fn an_answer_of_seven_megabytes_is_too_large() {
    let script = r#"next; big=$(head -c 7000000 /dev/zero | tr '\0' x); ask POST "invocation/$id/response" "$big"; cat <&3 >/dev/null; next"#;
    let mut stage = Stage::new(script).await;
    let (_, outcome) = stage.invoke("one").await;
    assert_eq!(outcome.failure, Some(Failure::TooLarge));
    insta::assert_snapshot!(text(&outcome), @r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#);
}

#[tokio::test]
async fn what_takes_more_memory_than_it_has_is_killed() {
    let script = r#"next; x=$(head -c 200000000 /dev/zero | tr '\0' x); sleep 100"#;
    let mut stage = Stage::with(script, Duration::from_secs(60), 128).await;
    let (report, outcome) = stage.invoke("one").await;
    assert_eq!(outcome.failure, Some(Failure::OutOfMemory), "{report:?}");
    insta::assert_snapshot!(text(&outcome), @r#"{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: one Error: Runtime exited with error: signal: killed"}"#);
    assert!(stage.log().contains("Max Memory Used: N MB"));
}

#[tokio::test]
async fn whatever_it_begins_ends_with_it() {
    let script =
        "sleep 1000 & echo $! >child; setsid sleep 1000 & echo $! >away; while next; do answer; done";
    let mut stage = Stage::new(script).await;
    stage.invoke("one").await;
    let ids = ["child", "away"].map(|file| fs::read_to_string(stage.file(file)).expect("it wrote the id"));
    assert!(ids.iter().all(|id| runs(id)));
    stage.sandbox.end().await;
    becomes(|| !ids.iter().any(|id| runs(id))).await;
}

#[tokio::test]
async fn what_cannot_be_executed_is_no_entrypoint() {
    let mut stage = Stage::new("").await;
    fs::set_permissions(stage.file("bootstrap"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let (_, outcome) = stage.invoke("one").await;
    assert_eq!(outcome.failure, Some(Failure::Entrypoint));
    insta::assert_snapshot!(text(&outcome), @r#"{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: one Error: Permission denied (os error 13)"}"#);
}

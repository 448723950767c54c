//! A stub of an HTTP endpoint, and programs that only pretend.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::super::{Tell, Tools};

/// What a stub answers to an operation: a status and a body; none = nothing, ever.
pub(super) type Answer = Option<(u16, String)>;

/// An endpoint that answers as it is told to, and remembers what it was asked.
pub(super) struct Stub {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    serving: JoinHandle<()>,
}

impl Stub {
    /// `answer` is given the operation and its body.
    pub(super) async fn start(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move { serve(stream, &log, &*answer).await });
            }
        });
        Self { url, asked, serving }
    }

    /// The operations that it was asked for, in order.
    pub(super) fn operations(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().map(|(operation, _)| operation.clone()).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request to a connection, so that nothing is kept open.
async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<(String, Value)>>,
    answer: &(dyn Fn(&str, &Value) -> Answer + Send + Sync),
) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                head.lines().find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix(name)
                        .map(|_| line[name.len()..].trim().to_owned())
                })
            };
            let length: usize = field("content-length:")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            break (
                field("x-amz-target:").unwrap_or_default(),
                head.len() + 4 + length,
            );
        }
    };
    while bytes.len() < length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    let operation = head.rsplit('.').next().unwrap_or_default().to_owned();
    let answer = answer(&operation, &body);
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((operation, body));
    let Some((status, body)) = answer else {
        std::future::pending::<()>().await;
        return;
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

/// A good answer.
pub(super) fn fine(body: &Value) -> Answer {
    Some((200, body.to_string()))
}

/// DynamoDB's error.
pub(super) fn error(code: &str, message: &str) -> Answer {
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message });
    Some((400, body.to_string()))
}

/// What was told, line by line.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    pub(super) fn tell(&self) -> Tell {
        let lines = Arc::clone(&self.0);
        Tell::new(move |line| {
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.to_owned())
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A machine with these programs alone: their names, and what they do as shell scripts.
pub(super) fn machine(folder: &Path, programs: &[(&str, &str)], told: &Told) -> Tools {
    let path = folder.join("bin");
    fs::create_dir_all(&path).expect("writable");
    for (name, script) in programs {
        let file = path.join(name);
        // Written and closed before it gets its name: a program that somebody still writes to cannot be run.
        let draft = path.join(format!(".{name}"));
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).expect("writable");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("ours");
        fs::rename(&draft, &file).expect("writable");
    }
    Tools {
        env: [("PATH".to_owned(), path.display().to_string())].into(),
        downloads: folder.join("target"),
        tell: told.tell(),
    }
}

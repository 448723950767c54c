//! Amazon's DynamoDB Local: one for the whole test process, started by whichever test asks first.
//!
//! It is Java, not free software, and nothing that a build can bring along, so what needs it is ignored unless asked for:
//! see CONTRIBUTING.md.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::json;
use sim::store::{front::StoreFront, table};
use tokio::{sync::OnceCell, time::Instant};

use super::{Told, clock, raw::Raw, untouched};

/// Names its jar; the libraries lie beside it or in `DynamoDBLocal_lib`.
const JAR: &str = "DYNAMODB_LOCAL";
/// How long it may take to answer, on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(60);
/// It cannot bind port 0, so a port that is free now may be taken when it gets there.
const PORTS_TRIED: u32 = 3;

/// A running DynamoDB Local.
///
/// Statics are never dropped, so it is not this process that ends it: a shell beside it waits until the pipe to its
/// standard input closes, however that comes, and kills it.
#[derive(Debug)]
struct Local {
    url: String,
    _process: Child,
    _open: ChildStdin,
}

static LOCAL: OnceCell<Local> = OnceCell::const_new();

/// A front before a table of one's own.
pub(crate) struct LocalTable {
    pub(crate) front: StoreFront,
    pub(crate) table: String,
}

impl LocalTable {
    /// Without a time to live: tables that have one are looked through in turn, ten seconds each.
    pub(crate) async fn create() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let local = LOCAL.get_or_init(start).await;
        let table = format!("crypto-watch-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let raw = Raw::of(&local.url, &table);
        let made = raw.call("CreateTable", &table::definition(&table)).await;
        assert_eq!(made["TableDescription"]["TableStatus"], "ACTIVE");
        let front = StoreFront::start(&local.url, clock(), Told::default().emit(), untouched())
            .await
            .expect("the front starts");
        Self { front, table }
    }

    /// With that of the service.
    pub(crate) async fn expiring() -> Self {
        let made = Self::create().await;
        let raw = Raw::of(made.front.url(), &made.table);
        raw.call("UpdateTimeToLive", &table::time_to_live(&made.table))
            .await;
        made
    }
}

async fn start() -> Local {
    let jar = jar();
    let mut said = String::new();
    for _ in 0..PORTS_TRIED {
        match start_at(&jar, free_port()).await {
            Ok(local) => return local,
            Err(lines) => said = lines,
        }
        if !said.contains("Address already in use") {
            break;
        }
    }
    panic!(
        "DynamoDB Local ({}) did not start; it said:\n{said}",
        jar.display()
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the jar lies is for whoever runs the tests to say"
)]
fn jar() -> PathBuf {
    let jar = std::env::var_os(JAR).map(PathBuf::from).unwrap_or_default();
    assert!(
        jar.is_file(),
        "{JAR} must be the path of DynamoDBLocal.jar, with its libraries beside it; it is `{}`",
        jar.display()
    );
    jar.canonicalize().expect("a path")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// The instance, or what it said before it ended.
async fn start_at(jar: &Path, port: u16) -> Result<Local, String> {
    let mut output = tempfile::tempfile().expect("a file for what it says");
    let out = |file: &File| file.try_clone().expect("a second handle");
    let mut process = Command::new("sh")
        .args([
            "-c",
            "exec 3<&0; (read -r _ <&3; kill -9 $$) & exec \"$@\" 3<&- </dev/null",
            "sh",
        ])
        .args(java(jar, port))
        .stdin(Stdio::piped())
        .stdout(out(&output))
        .stderr(out(&output))
        .spawn()
        .expect("a shell");
    let open = process.stdin.take().expect("it is piped");
    let url = format!("http://127.0.0.1:{port}");
    let began = Instant::now();
    while !answers(&url).await {
        let ended = process.try_wait().expect("its state");
        if ended.is_some() || began.elapsed() > START_WITHIN {
            drop(open);
            process.wait().expect("its end");
            let mut said = String::new();
            output.seek(SeekFrom::Start(0)).expect("its start");
            output.read_to_string(&mut said).expect("text");
            return Err(said);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(Local {
        url,
        _process: process,
        _open: open,
    })
}

fn java(jar: &Path, port: u16) -> Vec<String> {
    let beside = jar.parent().expect("a folder").display();
    let libraries = format!("{beside}:{beside}/DynamoDBLocal_lib");
    let classes = format!("{}:{beside}/*:{beside}/DynamoDBLocal_lib/*", jar.display());
    let main = "software.amazon.dynamodb.services.local.main.ServerRunner";
    [
        "java",
        &format!("-Djava.library.path={libraries}"),
        "-cp",
        &classes,
        main,
        "-inMemory",
        "-sharedDb",
        "-disableTelemetry",
        "-port",
        &port.to_string(),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Whether there is a DynamoDB by now: whoever else may have got the port would say something else.
async fn answers(url: &str) -> bool {
    if tokio::net::TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .is_err()
    {
        return false;
    }
    let (status, answer) = Raw::new(url).send("ListTables", "{}").await;
    status == 200 && answer["TableNames"] == json!([])
}

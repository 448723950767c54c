//! Whatever is wrong with a machine or an endpoint: one clear message, and nothing left behind.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{
    super::*,
    contents,
    stub::{Stub, Told, error, fine, machine},
};

const OLD: &str = r#"echo 'openjdk version "11.0.2" 2019-01-15' >&2"#;
/// What a new enough Java says of itself, and then does with anything else.
fn java(then: &str) -> String {
    format!(
        "if [ \"$1\" = -version ]; then echo 'openjdk version \"21.0.1\" 2023-10-17' >&2; exit 0; fi\n{then}"
    )
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

async fn refused(way: Way, tools: Tools) -> String {
    let spec = StoreSpec {
        choice: Choice::DynamoDbLocal(Some(way)),
        disk: Disk::No,
        tools,
    };
    let error = Backend::start(&spec).await.expect_err("it cannot start");
    error.to_string()
}

/// A file that looks like a jar.
fn jar(folder: &Path) -> Way {
    let path = folder.join("DynamoDBLocal.jar");
    fs::write(&path, b"PK\x03\x04...").expect("writable");
    Way::Jar(path)
}

#[tokio::test]
async fn a_jar_that_is_none_is_named() {
    let folder = temporary();
    let told = Told::default();
    let tools = || machine(folder.path(), &[("java", &java("exit 1"))], &told);
    let nowhere = refused(Way::parse("/nowhere/DynamoDBLocal.jar"), tools()).await;
    insta::assert_snapshot!(nowhere, @"there is no file /nowhere/DynamoDBLocal.jar; --dynamodb-local and DYNAMODB_LOCAL take `docker`, `maven` or the path of DynamoDBLocal.jar");
    let text = folder.path().join("a.jar");
    fs::write(&text, "no zip").expect("writable");
    let other = refused(Way::Jar(text.clone()), tools()).await;
    assert_eq!(
        other,
        format!(
            "{} is no jar; name the file DynamoDBLocal.jar of Amazon's download",
            text.display()
        )
    );
}

#[tokio::test]
async fn a_java_that_is_missing_or_too_old_is_named() {
    let (folder, told) = (temporary(), Told::default());
    let way = jar(folder.path());
    let missing = refused(way.clone(), machine(folder.path(), &[], &told)).await;
    insta::assert_snapshot!(missing, @"Java is missing: `java` is neither on PATH nor in JAVA_HOME, and DynamoDB Local needs a JRE 17 or newer; install one, or play with --dynamodb-local docker");
    let tools = machine(folder.path(), &[("java", OLD)], &told);
    let old = refused(way, tools.clone()).await;
    let java = tools.java().expect("it is there").display().to_string();
    insta::assert_snapshot!(old.replace(&java, "BIN/java"), @r#"BIN/java does not do: DynamoDB Local needs Java 17 or newer, and `BIN/java -version` said `openjdk version "11.0.2" 2019-01-15`"#);
}

#[tokio::test]
async fn a_java_that_ends_instead_of_answering_is_quoted() {
    let (folder, told) = (temporary(), Told::default());
    let dies = java("echo 'Unrecognized option'; echo \"$@\" > \"$0.args\"; exit 3");
    let tools = machine(folder.path(), &[("java", &dies)], &told);
    let message = refused(jar(folder.path()), tools.clone()).await;
    insta::assert_snapshot!(message, @"
    DynamoDB Local ended while it was needed (exit status: 3); its last lines:
      | Unrecognized option
    ");
    let args = fs::read_to_string(folder.path().join("bin/java.args")).expect("it ran");
    for wanted in ["-sharedDb", "-disableTelemetry", "-inMemory", "-port "] {
        assert!(args.contains(wanted), "{wanted} in {args}");
    }
    let temporary = args
        .split_whitespace()
        .find_map(|word| word.strip_prefix("-Djava.io.tmpdir="))
        .expect("a folder for what Java leaves");
    assert!(!Path::new(temporary).exists(), "{temporary} is gone");
}

#[tokio::test]
async fn a_port_that_is_always_taken_is_given_up_after_three() {
    let (folder, told) = (temporary(), Told::default());
    let taken =
        java("echo \"$@\" >> \"$0.args\"; echo 'java.net.BindException: Address already in use' >&2; exit 1");
    let tools = machine(folder.path(), &[("java", &taken)], &told);
    let message = refused(jar(folder.path()), tools).await;
    insta::assert_snapshot!(message, @"DynamoDB Local found its port taken 3 times, though each was free a moment before");
    let args = fs::read_to_string(folder.path().join("bin/java.args")).expect("it ran");
    let ports: std::collections::BTreeSet<&str> = args
        .lines()
        .filter_map(|line| line.split(" -port ").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(args.lines().count(), 3, "{args}");
    assert!(ports.len() > 1, "another port each time: {ports:?}");
}

#[tokio::test]
async fn a_maven_that_is_missing_or_fails_is_told_and_leaves_nothing() {
    let (folder, told) = (temporary(), Told::default());
    let missing = refused(Way::Maven, machine(folder.path(), &[], &told)).await;
    insta::assert_snapshot!(missing, @"Maven is missing: `mvn` is not on PATH, and it is what brings DynamoDB Local; install it, or play with --dynamodb-local docker or --dynamodb-local PATH-OF-DynamoDBLocal.jar");
    let fails = "echo '[ERROR] Could not transfer artifact'; exit 1";
    let tools = machine(folder.path(), &[("mvn", fails)], &told);
    let message = refused(Way::Maven, tools.clone()).await;
    insta::assert_snapshot!(message, @"
    Maven could not resolve software.amazon.dynamodb:DynamoDBLocal:3.3.1 (exit status: 1); its last lines:
      | [ERROR] Could not transfer artifact
    ");
    // It says that all is well, and brings nothing.
    let tools = machine(folder.path(), &[("mvn", "exit 0")], &told);
    let message = refused(Way::Maven, tools.clone()).await;
    insta::assert_snapshot!(message, @"Maven could not resolve software.amazon.dynamodb:DynamoDBLocal:3.3.1 (exit status: 0); its last lines: none");
    let left: Vec<_> = fs::read_dir(tools.downloads.join("dynamodb-local"))
        .expect("the folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(
        told.lines()
            .iter()
            .any(|line| line.contains("DynamoDB Local License Agreement")),
        "{:?}",
        told.lines()
    );
}

#[tokio::test]
async fn what_maven_brought_is_found_again() {
    let (folder, told) = (temporary(), Told::default());
    let brings = "for word; do case $word in -DoutputDirectory=*) lib=${word#*=};; esac; done\n\
                  PATH=/usr/bin:/bin; mkdir -p \"$lib\"; printf 'PK\\003\\004' > \"$lib/DynamoDBLocal-3.3.1.jar\"; echo x >> \"$0.runs\"";
    let dies = java("exit 9");
    let tools = machine(folder.path(), &[("mvn", brings), ("java", &dies)], &told);
    for _ in 0..2 {
        let message = refused(Way::Maven, tools.clone()).await;
        assert_eq!(
            message,
            "DynamoDB Local ended while it was needed (exit status: 9); it wrote nothing"
        );
    }
    let runs = fs::read_to_string(folder.path().join("bin/mvn.runs")).expect("it ran");
    assert_eq!(runs.lines().count(), 1, "once is enough");
    let licence = |line: &&String| line.contains("License Agreement");
    assert_eq!(told.lines().iter().filter(licence).count(), 1, "at first use");
}

fn at(url: &str) -> StoreSpec {
    StoreSpec {
        choice: Choice::Endpoint(Endpoint::parse(url).expect("an endpoint")),
        ..StoreSpec::default()
    }
}

/// What preparing says, and then stopping.
async fn prepared(url: &str) -> (String, Result<(), BackendError>) {
    let backend = Backend::start(&at(url)).await.expect("nothing is asked yet");
    let table = backend.table().to_owned();
    assert!(table.starts_with("sim-"), "{table}");
    let error = backend.prepare(&contents()).await.expect_err("it is no use");
    let stopped = backend.stop().await;
    (
        error.to_string().replace(&table, "TABLE").replace(url, "URL"),
        stopped,
    )
}

#[tokio::test]
async fn an_endpoint_that_is_no_dynamodb_is_told() {
    let html = Stub::start(|_, _| Some((200, "<html>\n<body>It works!".to_owned()))).await;
    let (message, _) = prepared(&html.url).await;
    insta::assert_snapshot!(message, @"cannot create the table `TABLE`: it is no DynamoDB: it answered 200 with `<html> <body>It works!`");
    let other = Stub::start(|_, _| Some((404, "{\"error\":\"no such page\"}".to_owned()))).await;
    let (message, _) = prepared(&other.url).await;
    insta::assert_snapshot!(message, @r#"cannot create the table `TABLE`: it is no DynamoDB: it answered 404 with `{"error":"no such page"}`"#);
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let (message, _) = prepared(&format!("http://{closed}")).await;
    assert!(
        message.starts_with("cannot create the table `TABLE`: cannot reach URL/: ")
            && message.contains("Connection refused"),
        "{message}"
    );
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_not_waited_for() {
    let silent = Stub::start(|_, _| None).await;
    let uri = silent.url.parse().expect("an address");
    let within = std::time::Duration::from_millis(50);
    let client = client::Client::new(uri, Signer::unchecked()).within(within);
    let error = client.ask("ListTables", &serde_json::json!({})).await;
    assert_eq!(error, Err(AskError::Silent(within)));
    let never = ready::ready(&client, within).await;
    assert_eq!(never, Err(AskError::Silent(within)));
}

#[tokio::test]
async fn wrong_credentials_are_told_in_the_endpoints_own_words() {
    let strict = Stub::start(|_, _| {
        error(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    })
    .await;
    let (message, stopped) = prepared(&strict.url).await;
    insta::assert_snapshot!(message, @"cannot create the table `TABLE`: UnrecognizedClientException: The security token included in the request is invalid.");
    stopped.expect("there is nothing to delete");
    assert_eq!(strict.operations(), ["CreateTable"]);
    let public = "https://dynamodb.eu-central-1.amazonaws.com";
    let nobody = Backend::start(&at(public)).await.expect_err("nobody asks");
    insta::assert_snapshot!(nobody, @"https://dynamodb.eu-central-1.amazonaws.com wants to know who asks: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION where the address does not name it");
}

#[tokio::test]
async fn a_table_with_another_schema_is_not_touched_but_for_its_end() {
    let other = Stub::start(|operation, _| match operation {
        "DescribeTable" => fine(&serde_json::json!({ "Table": {
            "TableStatus": "ACTIVE",
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        }})),
        _ => fine(&serde_json::json!({})),
    })
    .await;
    let (message, stopped) = prepared(&other.url).await;
    insta::assert_snapshot!(message, @"the table `TABLE` is not the service's: its keys are HASH id (S), not HASH PK (S), RANGE SK (S)");
    stopped.expect("it is deleted");
    assert_eq!(
        other.operations(),
        ["CreateTable", "DescribeTable", "DeleteTable"]
    );
    // Somebody else's table of that name is not ours to delete.
    let exists = Stub::start(|_, _| error("ResourceInUseException", "Table already exists: sim-0")).await;
    let (message, stopped) = prepared(&exists.url).await;
    insta::assert_snapshot!(message, @"cannot create the table `TABLE`: ResourceInUseException: Table already exists: sim-0");
    stopped.expect("there is nothing to do");
    assert_eq!(exists.operations(), ["CreateTable"]);
}

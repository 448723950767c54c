//! The generator as a process: how it starts, how it ends, what it says about bad input.

use std::process::Command;

use scenarios::wire::{LoadLine, LoadPlan};

use crate::support::{Played, Reply, Running, Server, plan, scenario, start};

const JOURNEY: &str = "[[journey]]\nname = \"one\"\nget = [\"/prices/{symbol}\"]\nthink = \"50s\"";
const ENGINES: [&str; 2] = ["users = 3", "rate = \"1/s\"\narrivals = \"even\""];

/// A load of a real minute.
fn long(server: &Server, load: &str) -> String {
    let mut plan = plan(scenario(JOURNEY, load), vec![server.url()], 100);
    plan.speed = 1.0;
    line(&plan)
}

fn line(plan: &LoadPlan) -> String {
    serde_json::to_string(plan).expect("a plan") + "\n"
}

/// How it ends when it is told to while it plays.
fn told_to_end(load: &str, tell: impl FnOnce(&mut Running)) -> Played {
    let server = Server::start(|_, _| Reply::Prices);
    let mut running = start(&long(&server, load));
    while !matches!(running.line(), Some(LoadLine::Request(_))) {}
    tell(&mut running);
    running.end()
}

fn ended_well(played: &Played) {
    assert_eq!(played.status.code(), Some(0), "{played:?}");
    let (sent, dropped) = played.done();
    assert_eq!((sent, dropped), (played.requests().len() as u64, 0));
    // A user that was left alone would think for 50 s, an arrival would come each second for a minute.
    assert!(played.requests().len() < 60);
    assert_eq!(played.stderr, "");
}

#[test]
fn it_ends_when_its_input_closes() {
    for load in ENGINES {
        ended_well(&told_to_end(load, |running| running.close_input()));
    }
}

#[test]
fn it_ends_on_a_signal() {
    for load in ENGINES {
        for signal in ["TERM", "INT"] {
            ended_well(&told_to_end(load, |running| running.signal(signal)));
        }
    }
}

#[test]
fn it_ends_before_its_load_begins_when_told_to() {
    for load in ENGINES {
        let mut plan = plan(
            scenario(JOURNEY, load),
            vec!["http://127.0.0.1:9".to_owned()],
            100,
        );
        plan.anchor_ms += 3_600_000;
        let mut running = start(&line(&plan));
        assert!(matches!(running.line(), Some(LoadLine::Ready { .. })));
        running.close_input();
        let played = running.end();
        assert_eq!((played.status.code(), played.done()), (Some(0), (0, 0)));
    }
}

#[test]
fn an_answer_that_never_comes_does_not_delay_the_end() {
    for load in ENGINES {
        let (tell, asked) = std::sync::mpsc::channel();
        let server = Server::start(move |_, _| {
            // Later requests come when nobody listens any more.
            let _ = tell.send(());
            Reply::Nothing
        });
        let mut plan = plan(scenario(JOURNEY, load), vec![server.url()], 100);
        plan.timeout_ms = 3_600_000;
        let mut running = start(&line(&plan));
        assert!(matches!(running.line(), Some(LoadLine::Ready { .. })));
        asked.recv().expect("a request");
        running.signal("TERM");
        let played = running.end();
        assert_eq!((played.status.code(), played.done()), (Some(0), (0, 0)));
    }
}

fn refused(input: &str) -> String {
    let mut running = start(input);
    running.close_input();
    let played = running.end();
    assert_eq!(played.status.code(), Some(2), "{played:?}");
    let [LoadLine::Failed { message }] = &played.lines[..] else {
        panic!("{:?}", played.lines)
    };
    assert_eq!(played.stderr, format!("crypto-watch-load: {message}\n"));
    message.clone()
}

#[test]
fn bad_plans_are_refused() {
    let good = plan(
        scenario(JOURNEY, "users = 3"),
        vec!["http://127.0.0.1:9".to_owned()],
        100,
    );
    let changed = |change: &dyn Fn(&mut LoadPlan)| {
        let mut plan = good.clone();
        change(&mut plan);
        refused(&line(&plan))
    };
    insta::assert_snapshot!(refused(""), @"cannot read the plan on standard input: EOF while parsing a value at line 1 column 0; send one line of JSON, as `crypto-watch-sim` does");
    insta::assert_snapshot!(refused("{}\n"), @"cannot read the plan on standard input: missing field `scenario_toml` at line 1 column 2; send one line of JSON, as `crypto-watch-sim` does");
    insta::assert_snapshot!(changed(&|plan| plan.load = 7), @"the plan does not fit its scenario: it names load 7, the scenario has 1");
    insta::assert_snapshot!(changed(&|plan| plan.targets.clear()), @"the plan does not fit its scenario: it must name 1 to 65535 targets");
    insta::assert_snapshot!(changed(&|plan| plan.speed = 0.0), @"the plan does not fit its scenario: its speed is 0");
    insta::assert_snapshot!(changed(&|plan| plan.keys.truncate(1)), @"the plan does not fit its scenario: load `day` has 100 keys, the plan 1");
    insta::assert_snapshot!(changed(&|plan| plan.keys[1] = "\n".to_owned()), @"the plan does not fit its scenario: its key 1 cannot be sent in a header");
    insta::assert_snapshot!(changed(&|plan| plan.symbols.clear()), @"the plan does not fit its scenario: it names no symbols");
    insta::assert_snapshot!(changed(&|plan| plan.scenario_toml = "nmae = 1".to_owned()), @"
    the plan's scenario is not valid: error: unknown key `nmae`
      --> the plan's scenario:1:1
      |
    1 | nmae = 1
      | ^^^^ did you mean `name`?
    ");
}

#[test]
fn it_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_crypto-watch-load"))
        .arg("--version")
        .output()
        .expect("the binary starts");
    let expected = format!("crypto-watch-load 0.0.0 (build {})\n", scenarios::BUILD_ID);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

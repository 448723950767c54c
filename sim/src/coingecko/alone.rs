//! The fake CoinGecko as a command: `crypto-watch-sim fake coingecko --port P`.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use scenarios::format::assumptions::Assumptions;
use scenarios::format::model::Plan;
use service::clock::{Clock, SystemClock};

use super::admin::Admin;
use super::engine::{Engine, EngineConfig};
use super::limits::{Host, KeyRing, Keys, Terms};
use super::mount::{MountError, mount};
use crate::clock::RunClock;
use crate::faults::Timeline;
use crate::seed::Seed;

/// What the command may be told.
#[derive(Clone, Debug)]
pub struct AloneOptions {
    /// The address of this machine to listen on; 0.0.0.0 = all.
    pub listen: Ipv4Addr,
    /// Port; 0 = any free one.
    pub port: u16,
    /// Port of the admin API; 0 = any free one.
    pub admin_port: u16,
    /// Whose limits apply.
    pub plan: Plan,
    /// The seed of the market.
    pub seed: u64,
    /// What is assumed of the real API.
    pub assumed: Assumptions,
}

impl Default for AloneOptions {
    fn default() -> Self {
        Self {
            listen: Ipv4Addr::LOCALHOST,
            port: 0,
            admin_port: 0,
            plan: Plan::Demo,
            seed: 42,
            assumed: Assumptions::default(),
        }
    }
}

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// The fake could not be mounted.
    #[error("cannot start the fake CoinGecko: {0}")]
    Mount(#[from] MountError),
    /// The operating system does not report Ctrl-C.
    #[error("cannot wait for Ctrl-C: {0}")]
    Signal(std::io::Error),
}

/// Plays the fake CoinGecko on the system's clock until Ctrl-C or SIGTERM. `say` gets each line for people.
pub async fn run(options: AloneOptions, say: impl FnMut(&str)) -> Result<(), AloneError> {
    run_until(options, say, ended()).await
}

/// Like [`run`], until `end` is ready.
pub async fn run_until(
    options: AloneOptions,
    mut say: impl FnMut(&str),
    end: impl Future<Output = Result<(), std::io::Error>>,
) -> Result<(), AloneError> {
    let terms = Terms::assuming(options.plan, &options.assumed);
    let now_ms = SystemClock.now().0;
    let config = EngineConfig {
        seed: Seed(options.seed).child("market").0,
        start_ms: now_ms,
        terms: terms.clone(),
        keys: KeyRing {
            demo: Keys::Any,
            pro: Keys::Any,
        },
        assumed: options.assumed.clone(),
    };
    let engine = Arc::new(Engine::new(config, Timeline::none()));
    let clock = RunClock::starting_in(Duration::ZERO, now_ms, 1.0);
    let at = |port| SocketAddrV4::new(options.listen, port);
    let mounted = mount(Arc::clone(&engine), clock, Arc::new(|_| {}), at(options.port)).await?;
    let admin = Admin::start(engine, clock, at(options.admin_port)).await?;
    let mut lines = introduction(&mounted.url(), &admin.url(), &terms, &options.assumed);
    if !options.listen.is_loopback() {
        lines.insert(
            1,
            format!(
                "listens on {}: whoever can reach this machine can ask it, and can break it",
                options.listen
            ),
        );
    }
    for line in lines {
        say(&line);
    }
    end.await.map_err(AloneError::Signal)
}

/// Where it is and how to use it.
fn introduction(url: &str, admin: &str, terms: &Terms, assumed: &Assumptions) -> Vec<String> {
    let (plan, key) = match terms.host {
        Host::Public => ("demo", "any key in x-cg-demo-api-key"),
        Host::Pro => ("pro", "any key in x-cg-pro-api-key"),
    };
    let keyless = match terms.host {
        Host::Public => format!("{} calls a minute without a key", terms.keyless.per_minute),
        Host::Pro => "none without a key".to_owned(),
    };
    let per_minute = terms.keyed.per_minute;
    let mut lines = vec![
        format!("fake CoinGecko: {url}"),
        format!(
            "plan {}: {per_minute} calls a minute with {key}, {keyless}; answers at once",
            terms.plan
        ),
        format!("try it:      curl '{url}/simple/price?ids=bitcoin&vs_currencies=usd'"),
        format!("the service: EXTERNAL_API_URL={url} EXTERNAL_API_PLAN={plan} EXTERNAL_API_KEY=any"),
        format!("admin API:   {admin}/faults"),
        format!(
            r#"break it:    curl {admin}/faults --data-binary $'name = "down"\nkind = "status"\nstatus = 503'"#
        ),
        format!("mend it:     curl -X DELETE {admin}/faults"),
        "Ctrl-C ends it".to_owned(),
    ];
    let changes: Vec<String> = assumed
        .changes()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    if !changes.is_empty() {
        lines.insert(2, format!("assumed:     {}", changes.join(", ")));
    }
    lines
}

/// Ready at Ctrl-C or SIGTERM.
async fn ended() -> Result<(), std::io::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_says_where_it_is_and_how_to_use_it() {
        let mut said = Vec::new();
        let ended = run_until(
            AloneOptions::default(),
            |line| said.push(line.to_owned()),
            async { Ok(()) },
        )
        .await;
        assert!(ended.is_ok(), "{ended:?}");
        let port = said[0]
            .rsplit(':')
            .next()
            .and_then(|rest| rest.strip_suffix("/api/v3"))
            .unwrap_or("?")
            .to_owned();
        assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{said:?}");
        let text = said.join("\n");
        let admin = text
            .split_once("admin API:   http://127.0.0.1:")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map_or("?", |(port, _)| port);
        insta::assert_snapshot!(text.replace(&port, "PORT").replace(admin, "ADMIN"), @r#"
        fake CoinGecko: http://127.0.0.1:PORT/api/v3
        plan Demo: 100 calls a minute with any key in x-cg-demo-api-key, 5 calls a minute without a key; answers at once
        try it:      curl 'http://127.0.0.1:PORT/api/v3/simple/price?ids=bitcoin&vs_currencies=usd'
        the service: EXTERNAL_API_URL=http://127.0.0.1:PORT/api/v3 EXTERNAL_API_PLAN=demo EXTERNAL_API_KEY=any
        admin API:   http://127.0.0.1:ADMIN/faults
        break it:    curl http://127.0.0.1:ADMIN/faults --data-binary $'name = "down"\nkind = "status"\nstatus = 503'
        mend it:     curl -X DELETE http://127.0.0.1:ADMIN/faults
        Ctrl-C ends it
        "#);
    }

    #[tokio::test]
    async fn on_all_addresses_it_says_so_and_is_reached_here() {
        let mut said = Vec::new();
        let options = AloneOptions {
            listen: Ipv4Addr::UNSPECIFIED,
            ..AloneOptions::default()
        };
        let ended = run_until(options, |line| said.push(line.to_owned()), async { Ok(()) }).await;
        assert!(ended.is_ok(), "{ended:?}");
        assert!(
            said[0].starts_with("fake CoinGecko: http://127.0.0.1:"),
            "{said:?}"
        );
        assert_eq!(
            said[1],
            "listens on 0.0.0.0: whoever can reach this machine can ask it, and can break it"
        );
        assert!(
            said.iter()
                .any(|line| line.starts_with("admin API:   http://127.0.0.1:")),
            "{said:?}"
        );
    }

    #[tokio::test]
    async fn a_paid_plan_needs_a_key() {
        let said = introduction(
            "http://x",
            "http://y",
            &Terms::of(Plan::Basic),
            &Assumptions::default(),
        )
        .join("\n");
        assert!(
            said.contains("none without a key") && said.contains("EXTERNAL_API_PLAN=pro"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let Ok(taken) = std::net::TcpListener::bind("127.0.0.1:0") else {
            panic!("a free port")
        };
        let port = taken.local_addr().map_or(0, |address| address.port());
        let refused = run_until(
            AloneOptions {
                port,
                ..AloneOptions::default()
            },
            |_| {},
            async { Ok(()) },
        )
        .await;
        let Err(error) = refused else {
            panic!("the port is taken")
        };
        assert!(
            matches!(error, AloneError::Mount(MountError::PortTaken { .. })),
            "{error:?}"
        );
        insta::assert_snapshot!(error.to_string().replace(&port.to_string(), "PORT"), @"cannot start the fake CoinGecko: port PORT on 127.0.0.1 is taken: end what listens there, or choose another port (0 = any free one)");
    }
}

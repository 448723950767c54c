//! `lambda serve`: what is deployed, on this machine, until it is interrupted.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use scenarios::format::{Alone, Override, parse};
use service::config::ConfigError;

use crate::{
    cli::{ambient, args::ServeArgs, exit::Exit, interrupt, printer},
    clock::system_now,
    deployed::Deployed,
    seed::Seed,
    store::{
        backend::{Choice, Disk, StoreSpec, Tell},
        front::FrontSabotage,
    },
    world::{Ended, Played, World, WorldSpec, environment, keys, siblings::Siblings},
};

/// A stack on which nobody asks anything by itself.
const SCENARIO: &str = r#"
schema   = 1
name     = "serve"
about    = "What is deployed, for whoever asks."
seed     = 1
duration = "365d"

[stack]
update_phase = "0s"

[[journey]]
name = "none"
get  = ["/health"]

[[load]]
name  = "none"
users = 1
keys  = { count = 1 }
"#;

/// Serves until it is interrupted.
pub async fn serve(args: &ServeArgs) -> Exit {
    match run(args).await {
        Ok(()) => Exit::Held,
        Err(problem) => {
            printer::notice(&format!("error: {}", printer::causes(&problem)));
            // Of what is wrong here, only that is in the arguments.
            if problem.is::<ConfigError>() {
                Exit::Usage
            } else {
                Exit::Harness
            }
        }
    }
}

async fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let now = jiff::Timestamp::try_from(system_now())?;
    let now = jiff::Timestamp::from_second(now.as_second())?;
    let set = |key: &str, value: String| Override {
        key: key.to_owned(),
        value,
    };
    let mut overrides = vec![
        set("start", now.to_string()),
        set("stack.environment", args.environment.clone()),
    ];
    let siblings = Siblings::beside_this()?;
    siblings.check_all().await?;
    let deployed = Deployed::read(Path::new("."), &args.environment, service::BUILD_ID)?;
    for finding in &deployed.findings {
        printer::notice(&format!("warning: {finding}"));
    }
    let parsed = |overrides: &[Override]| {
        parse("serve.toml", SCENARIO, overrides, &Alone).map_err(|problems| anyhow::anyhow!("{problems}"))
    };
    overrides.extend(deployed.settings(&parsed(&overrides)?));
    let scenario = parsed(&overrides)?;
    let env: BTreeMap<String, String> = args.env.iter().cloned().collect();
    let config = environment::effective(&scenario.stack, &env)?;
    let seed = Seed(scenario.seed);
    let load = &scenario.loads[0];
    let secret = keys::secrets(seed, &load.name, load.keys.count).remove(0);
    let interrupt = interrupt::listen()?;
    let world = World::start(WorldSpec {
        scenario: Arc::new(scenario),
        seed,
        speed: 1,
        siblings,
        deployed: Some(Arc::new(deployed)),
        has_users: false,
        env,
        config,
        store: StoreSpec {
            choice: Choice::Embedded,
            disk: Disk::No,
            tools: ambient::tools(Tell::new(printer::notice)),
        },
        sabotage: FrontSabotage::default(),
        witness: None,
        logs: Tell::new(printer::notice),
    })
    .await?;
    let url = world.url().unwrap_or_default();
    printer::result(&format!("{url}\n{secret}"));
    printer::notice(&format!(
        "the gateway and a key that it knows, until Ctrl-C; CoinGecko is the fake, the store is in memory:\n  \
         curl -H 'X-Api-Key: {secret}' '{url}/prices?symbols=BTC,ETH'"
    ));
    let (Played { ended, .. }, _) = world.play(interrupt.stop, |_| {}).await;
    match ended {
        Ended::Complete | Ended::Interrupted => Ok(()),
        Ended::Failed(error) => Err(error.into()),
    }
}

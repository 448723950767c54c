//! `fake`: a fake alone, for other programs to talk to.

use scenarios::format::assumptions::Assumptions;

use crate::{
    cli::{
        args::{Assume, FakeCommand},
        exit::Exit,
        printer,
    },
    coingecko::alone::{self, AloneOptions},
};

/// Runs the fake until it is interrupted.
pub async fn fake(command: FakeCommand) -> Exit {
    let FakeCommand::Coingecko {
        listen,
        port,
        admin_port,
        plan,
        seed,
        assume,
    } = command;
    let mut assumed = Assumptions::default();
    for Assume { key, value } in assume {
        // Reading the flag has tried it.
        if let Err(error) = assumed.set(&key, &value) {
            printer::notice(&format!("error: {}", error.said_of(&key)));
            return Exit::Usage;
        }
    }
    match alone::run(
        AloneOptions {
            listen,
            port,
            admin_port,
            plan: plan.into(),
            seed,
            assumed,
        },
        printer::result,
    )
    .await
    {
        Ok(()) => Exit::Held,
        Err(error) => {
            printer::notice(&format!("error: {error}"));
            Exit::Harness
        }
    }
}

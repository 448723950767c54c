//! `fake`: a fake alone, for other programs to talk to.

use crate::{
    cli::{args::FakeCommand, exit::Exit, printer},
    coingecko::alone::{self, AloneOptions},
};

/// Runs the fake until it is interrupted.
pub async fn fake(command: FakeCommand) -> Exit {
    let FakeCommand::Coingecko {
        port,
        admin_port,
        plan,
        seed,
    } = command;
    match alone::run(
        AloneOptions {
            port,
            admin_port,
            plan: plan.into(),
            seed,
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

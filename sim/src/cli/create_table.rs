//! `create-table`: the service's table in an emulator that somebody else runs.

use crate::{
    cli::{ambient, exit::Exit, printer},
    store::backend::{Endpoint, Ensured, Tell, ensure},
};

/// Makes the table, unless it is there.
pub async fn create_table(endpoint: &Endpoint, name: &str) -> Exit {
    match ensure(endpoint, name, &ambient::tools(Tell::default())).await {
        Ok(Ensured::Made) => printer::result(&format!("made the table `{name}` at {endpoint}")),
        Ok(Ensured::Mended) => printer::result(&format!(
            "the table `{name}` is at {endpoint} already; its items did not expire, and do now, by `ttl`"
        )),
        Ok(Ensured::Found) => printer::result(&format!("the table `{name}` is at {endpoint} already")),
        Err(error) => {
            printer::notice(&format!("error: {endpoint}: {error}"));
            return Exit::Harness;
        }
    }
    Exit::Held
}

//! Which ways to DynamoDB Local this machine can do.

use super::{
    choice::Way,
    container,
    java::{self, Jar},
    local, maven,
    tools::Tools,
};

/// One of the ways, or of what they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `docker`, `java`, `maven`, or the variable's name.
    pub what: &'static str,
    /// Whether it does.
    pub does: bool,
    /// Its version, or why it does not.
    pub found: String,
}

/// What there is, and at last which way `--store dynamodb-local` would go.
pub async fn ways(tools: &Tools) -> Vec<Found> {
    let mut all = vec![docker().await, java(tools).await, maven(tools).await];
    let asked = tools.variable(Way::VARIABLE).map(Way::parse);
    if let Some(way) = &asked {
        all.push(variable(way));
    }
    let chosen = local::choose(asked.as_ref()).await;
    let why = match &asked {
        Some(_) => format!("{} says so", Way::VARIABLE),
        None => chosen.why,
    };
    let needs: &[&str] = match &chosen.way {
        Way::Docker => &["docker"],
        Way::Maven => &["java", "maven"],
        Way::Jar(_) => &["java", Way::VARIABLE],
    };
    let lacking: Vec<&str> = all
        .iter()
        .filter(|one| !one.does && needs.contains(&one.what))
        .map(|one| one.what)
        .collect();
    let but = if lacking.is_empty() {
        String::new()
    } else {
        format!(", which would fail for want of {}", lacking.join(" and "))
    };
    all.push(Found {
        what: "dynamodb-local",
        does: lacking.is_empty(),
        found: format!("--store dynamodb-local would go by {}{but}: {why}", chosen.way),
    });
    all
}

async fn docker() -> Found {
    let (does, found) = match container::engine().await {
        Ok(version) => {
            let image = container::image();
            let here = if container::has_image().await {
                format!("{image} is here")
            } else {
                format!("{image} would be pulled")
            };
            (true, format!("engine {version}, {here}"))
        }
        Err(reason) => (false, reason),
    };
    Found {
        what: "docker",
        does,
        found,
    }
}

async fn java(tools: &Tools) -> Found {
    let (does, found) = match tools.java() {
        None => (false, "neither on PATH nor in JAVA_HOME".to_owned()),
        Some(java) => {
            let said = java::said(&java).await;
            let line = said.lines().next().unwrap_or_default();
            (java::is_new_enough(&said), format!("{}: {line}", java.display()))
        }
    };
    Found {
        what: "java",
        does,
        found,
    }
}

async fn maven(tools: &Tools) -> Found {
    let version = local::VERSION;
    let (does, found) = match tools.program("mvn") {
        _ if maven::is_resolved(tools) => (true, format!("DynamoDB Local {version} is resolved already")),
        None => (false, "`mvn` is not on PATH".to_owned()),
        Some(path) => (
            true,
            format!(
                "{}: {}, which would resolve DynamoDB Local {version}",
                path.display(),
                maven::said(&path, tools).await
            ),
        ),
    };
    Found {
        what: "maven",
        does,
        found,
    }
}

fn variable(way: &Way) -> Found {
    let (does, found) = match way {
        Way::Docker | Way::Maven => (true, way.to_string()),
        Way::Jar(path) => match Jar::at(path) {
            Ok(_) => (true, way.to_string()),
            Err(error) => (false, error.to_string()),
        },
    };
    Found {
        what: Way::VARIABLE,
        does,
        found,
    }
}

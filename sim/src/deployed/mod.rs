//! What `--via lambda` plays: what the template deploys in an environment, and the packages that it names; and what of it
//! is the same on both clocks.
//!
//! | file | owns |
//! |---|---|
//! | `entrance` | the gateway before the functions |
//! | `eventbridge` | the rule that invokes a function, and what becomes of its events |
//! | `ears`, `monitor` | what happens, told to the recording; CloudWatch, which evaluates the alarms |
//!
//! `world::lambda` has the functions of the real clock, `virtual_world::lambda` those of virtual time.

pub mod ears;
pub mod entrance;
pub mod eventbridge;
pub mod monitor;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use scenarios::format::{Override, Scenario};

use crate::{
    package::manifest::{Manifest, ManifestError, Verified},
    schedule::{Occasion, deployed_firings, occasions},
    seed::Seed,
    template::{
        Finding, Parameters, SamconfigError, Template, TemplateError, check, model::Deployment,
        schedule::ScheduleError,
    },
};

/// A deployment with its packages, each of them verified.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// What the template says.
    pub deployment: Deployment,
    /// By the function's logical id.
    pub packages: BTreeMap<String, Verified>,
    /// What our own checks of the template find: it is played all the same, to see what comes of it.
    pub findings: Vec<Finding>,
}

/// Why nothing can be deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A file cannot be read.
    #[error(
        "cannot read {path}: {source}; --via lambda needs the template that is deployed: run this where it is"
    )]
    Read {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The template cannot be emulated.
    #[error("{}", lines(.0))]
    Template(Vec<TemplateError>),
    /// The parameters of the environment cannot be read.
    #[error(transparent)]
    Samconfig(#[from] SamconfigError),
    /// A package cannot be run.
    #[error(transparent)]
    Package(#[from] ManifestError),
    /// A package is for other processors.
    #[error(
        "{package} is built for {found}, and the template deploys {wanted}; set its parameter Architecture"
    )]
    Architecture {
        /// The package.
        package: String,
        /// What the manifest says.
        found: String,
        /// What the template says.
        wanted: String,
    },
}

fn lines(errors: &[TemplateError]) -> String {
    let lines: Vec<String> = errors.iter().map(TemplateError::to_string).collect();
    lines.join("\nerror: ")
}

impl Deployed {
    /// Reads the template in `folder` for an environment, with the parameters of its `samconfig-{environment}.toml`, and
    /// verifies the packages of its functions, which must be those that `build_id` is of.
    ///
    /// # Errors
    /// Whatever keeps it from being deployed, or from being emulated.
    pub fn read(folder: &Path, environment: &str, build_id: &str) -> Result<Self, DeployError> {
        let mut deployed = Self::modelled(folder, environment)?;
        for (id, function) in &deployed.deployment.functions {
            let package = folder.join(&function.code);
            let dist = dist_of(&package);
            let manifest = Manifest::read(&dist)?;
            manifest.is_of(build_id)?;
            if manifest.architecture != function.architecture {
                return Err(DeployError::Architecture {
                    package: package.display().to_string(),
                    found: manifest.architecture,
                    wanted: function.architecture.clone(),
                });
            }
            let verified = manifest.verify(&dist, &package)?;
            deployed.packages.insert(id.clone(), verified);
        }
        Ok(deployed)
    }

    /// Reads the same without the packages: in virtual time the functions are code of this program.
    ///
    /// # Errors
    /// Whatever keeps it from being deployed, or from being emulated.
    pub fn modelled(folder: &Path, environment: &str) -> Result<Self, DeployError> {
        let text = |path: &Path| {
            fs::read_to_string(path).map_err(|source| DeployError::Read {
                path: path.display().to_string(),
                source,
            })
        };
        let path = folder.join("template.yaml");
        let template = Template::read(&path.display().to_string(), &text(&path)?)
            .map_err(|error| DeployError::Template(vec![error]))?;
        let samconfig = folder.join(format!("samconfig-{environment}.toml"));
        let parameters = Parameters::from_samconfig(&samconfig.display().to_string(), &text(&samconfig)?)?;
        let deployment = template.deployment(&parameters).map_err(DeployError::Template)?;
        let findings = check(&deployment, &template, &parameters);
        Ok(Self {
            deployment,
            packages: BTreeMap::new(),
            findings,
        })
    }

    /// What becomes of the firings of the template's rule in a scenario.
    ///
    /// # Errors
    /// EventBridge would refuse its expression.
    pub fn occasions(&self, scenario: &Scenario, seed: Seed) -> Result<Vec<Occasion>, ScheduleError> {
        let (start_ms, end) = (scenario.start.as_millisecond(), scenario.duration);
        let rule = self.deployment.schedules.first().filter(|rule| rule.enabled);
        let firings = match rule {
            Some(rule) => deployed_firings(&rule.expression, &scenario.stack, seed, (start_ms, end))?,
            None => Vec::new(),
        };
        Ok(occasions(firings.into_iter(), &scenario.faults, seed, end))
    }

    /// What the API's function is deployed with of what a scenario's stack does not say: keys of the scenario. A value that
    /// the service would refuse is left to it.
    #[must_use]
    pub fn settings(&self, scenario: &Scenario) -> Vec<Override> {
        let deployed = |(variable, key, unit): &(&str, &str, &str)| {
            let value: u32 = self.variable(variable)?.parse().ok()?;
            (value > 0 && !scenario.says("stack", key)).then(|| Override {
                key: format!("stack.{key}"),
                value: format!("{value}{unit}"),
            })
        };
        [
            ("RATE_LIMIT_PER_MINUTE", "rate_limit", "/min"),
            ("CACHE_TTL_SECONDS", "cache_ttl", "s"),
            ("PRICE_RETENTION_SECONDS", "price_retention", "s"),
        ]
        .iter()
        .filter_map(deployed)
        .collect()
    }

    /// A variable of the API's function, unless it is empty, which is the same as none to the service.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        let services = self.services();
        let functions = self.deployment.functions.values().zip(services);
        let mut of_api = functions.filter(|(_, service)| *service == "api");
        let (function, _) = of_api.next()?;
        let value = function.environment.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// What each function is to the recording, by its place: what a schedule invokes is the update.
    #[must_use]
    pub fn services(&self) -> Vec<&'static str> {
        let schedules = &self.deployment.schedules;
        let is_scheduled = |id: &String| schedules.iter().any(|schedule| schedule.function == *id);
        let service = |id| if is_scheduled(id) { "update" } else { "api" };
        self.deployment.functions.keys().map(service).collect()
    }
}

/// The folder of the manifest: the package of a function lies in a folder of its own there.
fn dist_of(package: &Path) -> PathBuf {
    let dist = package.parent().and_then(Path::parent);
    dist.unwrap_or(Path::new(".")).to_owned()
}

/// The variables of a function: what the template says, and over it what the scenario says. What the template does not have is
/// set only where the scenario differs from every default, or where it is the harness's own: so a variable that the template
/// lacks is missed.
#[must_use]
pub fn variables(
    template: &BTreeMap<String, String>,
    scenario: &BTreeMap<String, String>,
    defaults: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = template.clone();
    for (name, value) in scenario {
        let is_lambdas = name.starts_with("AWS_") && !name.starts_with("AWS_ENDPOINT_URL");
        let is_said = template.contains_key(name) || defaults.get(name) != Some(value);
        if is_said && !is_lambdas {
            all.insert(name.clone(), value.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use scenarios::format::{Alone, parse};

    use super::*;

    fn deployed() -> Deployed {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Deployed::modelled(&root, "dev").expect("it can be deployed")
    }

    /// A scenario whose stack says this.
    fn scenario(stack: &str) -> Scenario {
        let text = format!(
            "schema = 1\nname = \"t\"\nabout = \"t\"\nduration = \"1h\"\n[stack]\n{stack}\n\
             [[journey]]\nname = \"one\"\nget = [\"/health\"]\n[[load]]\nname = \"all\"\nrate = \"1/s\"\n"
        );
        parse("t.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn what_is_deployed_is_played_where_the_scenario_says_nothing() {
        let mut deployed = deployed();
        let shown = |deployed: &Deployed, stack: &str| -> Vec<String> {
            let settings = deployed.settings(&scenario(stack));
            settings
                .iter()
                .map(|setting| format!("{}={}", setting.key, setting.value))
                .collect()
        };
        assert_eq!(
            shown(&deployed, ""),
            ["stack.rate_limit=100/min", "stack.cache_ttl=300s"]
        );
        for function in deployed.deployment.functions.values_mut() {
            let mut set =
                |name: &str, value: &str| function.environment.insert(name.to_owned(), value.to_owned());
            set("RATE_LIMIT_PER_MINUTE", "7");
            // The service will say what is wrong with these.
            set("CACHE_TTL_SECONDS", "soon");
            set("PRICE_RETENTION_SECONDS", "0");
        }
        assert_eq!(shown(&deployed, ""), ["stack.rate_limit=7/min"]);
        assert_eq!(
            shown(&deployed, "rate_limit = \"100/min\""),
            Vec::<String>::new(),
            "a default that is said is said"
        );
        assert_eq!(deployed.variable("SUPPORTED_SYMBOLS"), None, "it is empty");
        assert_eq!(deployed.variable("ENVIRONMENT"), Some("dev"));
    }

    #[test]
    fn a_scenario_is_laid_over_what_the_template_has() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(own).collect()
        };
        let template = map(&[
            ("LOG_LEVEL", "DEBUG"),
            ("RATE_LIMIT_PER_MINUTE", "100"),
            ("ONLY", "1"),
        ]);
        let defaults = map(&[
            ("RATE_LIMIT_PER_MINUTE", "100"),
            ("PRICE_RETENTION_SECONDS", "3600"),
            ("CACHE_TTL_SECONDS", "300"),
        ]);
        let mut scenario = defaults.clone();
        scenario.extend(map(&[
            ("RATE_LIMIT_PER_MINUTE", "60"),
            ("CACHE_TTL_SECONDS", "60"),
            ("EXTERNAL_API_URL", "http://127.0.0.1:1"),
            ("AWS_REGION", "us-east-1"),
        ]));
        let expected = map(&[
            ("CACHE_TTL_SECONDS", "60"),
            ("EXTERNAL_API_URL", "http://127.0.0.1:1"),
            ("LOG_LEVEL", "DEBUG"),
            ("ONLY", "1"),
            ("RATE_LIMIT_PER_MINUTE", "60"),
        ]);
        assert_eq!(variables(&template, &scenario, &defaults), expected);
        scenario.insert("LOG_LEVEL".to_owned(), "INFO".to_owned());
        let asked = variables(&template, &scenario, &defaults);
        assert_eq!(asked["LOG_LEVEL"], "INFO", "by --env");
    }
}

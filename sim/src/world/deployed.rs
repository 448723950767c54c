//! What `--via lambda` plays: what the template deploys in an environment, and the packages that it names.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    package::manifest::{Manifest, ManifestError, Verified},
    template::{Finding, Parameters, SamconfigError, Template, TemplateError, check, model::Deployment},
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
        let mut packages = BTreeMap::new();
        for (id, function) in &deployment.functions {
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
            packages.insert(id.clone(), manifest.verify(&dist, &package)?);
        }
        let findings = check(&deployment, &template, &parameters);
        Ok(Self {
            deployment,
            packages,
            findings,
        })
    }
}

/// The folder of the manifest: the package of a function lies in a folder of its own there.
fn dist_of(package: &Path) -> PathBuf {
    let dist = package.parent().and_then(Path::parent);
    dist.unwrap_or(Path::new(".")).to_owned()
}

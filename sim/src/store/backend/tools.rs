//! What the machine gives to a store: handed in, since nothing here reads the environment by itself.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The machine as a store may use it.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// The environment, as programs that are started here inherit it.
    pub env: BTreeMap<String, String>,
    /// Where downloads are kept.
    pub downloads: PathBuf,
    /// Who is told what is going on.
    pub tell: Tell,
}

impl Tools {
    /// A variable that is set to something.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The first program of this name on `PATH`.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.variable("PATH")?)
            .map(|folder| folder.join(name))
            .find(|candidate| candidate.is_file())
    }

    /// Java: that of `JAVA_HOME`, which Maven would take, too, or the one on `PATH`.
    #[must_use]
    pub fn java(&self) -> Option<PathBuf> {
        let of_home = self
            .variable("JAVA_HOME")
            .map(|home| Path::new(home).join("bin/java"));
        of_home
            .filter(|java| java.is_file())
            .or_else(|| self.program("java"))
    }
}

/// Who is told what is going on.
#[derive(Clone, Default)]
pub struct Tell(Option<Arc<Hear>>);

/// Hears one line.
type Hear = dyn Fn(&str) + Send + Sync;

impl Tell {
    /// Tells `hear`.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Tells one line.
    pub fn notice(&self, text: &str) {
        if let Some(hear) = &self.0 {
            hear(text);
        }
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

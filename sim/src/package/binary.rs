//! What an executable needs of the system that it runs on, read from the file itself.

use std::fmt;

use object::{
    Architecture, Endianness, Object, elf,
    read::elf::{Dyn, ElfFile64, FileHeader},
};

/// The glibc of `provided.al2023`, which is that of Amazon Linux 2023.
/// (<https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>: 2.34.)
pub const LAMBDA_GLIBC: Version = Version(2, 34);

/// The libraries of `provided.al2023` that a Rust binary with C in it may want.
const THERE: [&str; 6] = [
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libc.so.6",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
];

/// A version of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What an executable needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// As Lambda calls it: `x86_64` or `arm64`.
    pub architecture: &'static str,
    /// The newest version of glibc that it has a symbol of.
    pub glibc: Version,
    /// The libraries that it is linked with at its start, by name.
    pub libraries: Vec<String>,
}

/// Why an executable does not run on Lambda.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// It is no executable that Linux knows.
    #[error("it is no 64-bit ELF executable: {0}")]
    NotElf(String),
    /// Lambda has no such processors.
    #[error("it is built for {0}, and Lambda has x86_64 and arm64")]
    Architecture(String),
    /// It needs a newer glibc.
    #[error(
        "it needs glibc {0}, and provided.al2023 has {LAMBDA_GLIBC}; build on a system with an older glibc, or with `cargo zigbuild --target …-gnu.{LAMBDA_GLIBC}`"
    )]
    Glibc(Version),
    /// It needs what is not there.
    #[error("it needs {0}, which provided.al2023 does not have")]
    Library(String),
}

impl Needs {
    /// Reads what an ELF file needs.
    ///
    /// # Errors
    /// It is none, or for processors that Lambda does not have.
    pub fn of(bytes: &[u8]) -> Result<Self, BinaryError> {
        let not_elf = |error: object::Error| BinaryError::NotElf(error.to_string());
        let file = ElfFile64::<Endianness>::parse(bytes).map_err(not_elf)?;
        let architecture = match file.architecture() {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "arm64",
            other => return Err(BinaryError::Architecture(format!("{other:?}"))),
        };
        Ok(Self {
            architecture,
            glibc: glibc(&file).map_err(not_elf)?,
            libraries: libraries(&file).map_err(not_elf)?,
        })
    }

    /// The same, when Lambda can run it.
    ///
    /// # Errors
    /// What is missing there.
    pub fn fit(self) -> Result<Self, BinaryError> {
        if self.glibc > LAMBDA_GLIBC {
            return Err(BinaryError::Glibc(self.glibc));
        }
        match self.libraries.iter().find(|name| !THERE.contains(&name.as_str())) {
            Some(name) => Err(BinaryError::Library(name.clone())),
            None => Ok(self),
        }
    }
}

type File<'a> = ElfFile64<'a, Endianness>;

/// The newest `GLIBC_…` among the versions that the file asks for (`.gnu.version_r`); 0.0 when it asks for none.
fn glibc(file: &File<'_>) -> object::Result<Version> {
    let (endian, data) = (file.endian(), file.data());
    let sections = file.elf_header().sections(endian, data)?;
    let mut newest = Version(0, 0);
    let Some((mut needs, strings)) = sections.gnu_verneed(endian, data)? else {
        return Ok(newest);
    };
    let strings = sections.strings(endian, data, strings)?;
    while let Some((_, mut versions)) = needs.next()? {
        while let Some(version) = versions.next()? {
            let name = version.name(endian, strings)?;
            newest = newest.max(parse(&String::from_utf8_lossy(name)).unwrap_or(newest));
        }
    }
    Ok(newest)
}

/// `GLIBC_2.34`, or `GLIBC_2.3.4`, whose last part decides nothing here.
fn parse(name: &str) -> Option<Version> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// `DT_NEEDED` of the dynamic section.
fn libraries(file: &File<'_>) -> object::Result<Vec<String>> {
    let (endian, data) = (file.endian(), file.data());
    let sections = file.elf_header().sections(endian, data)?;
    let mut names = Vec::new();
    let Some((entries, strings)) = sections.dynamic(endian, data)? else {
        return Ok(names);
    };
    let strings = sections.strings(endian, data, strings)?;
    for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
        names.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_very_program_needs_glibc() {
        let this = std::fs::read("/proc/self/exe").expect("Linux gives it");
        let needs = Needs::of(&this).expect("it runs");
        assert!(needs.libraries.contains(&"libc.so.6".to_owned()), "{needs:?}");
        assert!(needs.glibc >= Version(2, 17), "{needs:?}");
    }

    #[test]
    fn what_lambda_lacks_is_named() {
        let needs = |glibc, library: &str| Needs {
            architecture: "x86_64",
            glibc,
            libraries: vec!["libc.so.6".to_owned(), library.to_owned()],
        };
        assert!(needs(LAMBDA_GLIBC, "libm.so.6").fit().is_ok());
        let told = |needs: Needs| needs.fit().expect_err("it is unfit").to_string();
        insta::assert_snapshot!(told(needs(Version(2, 35), "libm.so.6")), @"it needs glibc 2.35, and provided.al2023 has 2.34; build on a system with an older glibc, or with `cargo zigbuild --target …-gnu.2.34`");
        insta::assert_snapshot!(told(needs(Version(2, 17), "libssl.so.3")), @"it needs libssl.so.3, which provided.al2023 does not have");
        assert!(matches!(Needs::of(b"#!/bin/sh\n"), Err(BinaryError::NotElf(_))));
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(parse("GLIBC_2.9") < parse("GLIBC_2.34"));
        assert_eq!(parse("GLIBC_2.3.4"), Some(Version(2, 3)));
        assert_eq!(parse("GCC_3.0"), None);
    }
}

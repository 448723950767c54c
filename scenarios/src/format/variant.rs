//! The text of a scenario with other faults: the same stack, users and times, ready to be read and played again.

use super::document::{Document, Override};
use super::model::Scenario;
use super::writer::quote;

/// What a variant says otherwise than its scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// What it proves.
    pub about: String,
    /// Its seed.
    pub seed: u64,
    /// API processes, at least 1.
    pub instances: u32,
    /// Its `[[fault]]`s as TOML, in place of the scenario's.
    pub faults: String,
}

impl Scenario {
    /// The text of a variant of this scenario. It extends nothing and expects nothing; what it does not say
    /// otherwise it says as this scenario does.
    #[must_use]
    pub fn variant(&self, variant: &Variant) -> String {
        let mut sources = self.sources.clone();
        // It has been read before, so that neither this nor setting these keys can fail.
        let Ok(mut document) = Document::read(&self.effective, 0) else {
            return String::new();
        };
        document.remove("fault");
        document.remove("expect");
        let said = [
            ("name", quote(&variant.name)),
            ("about", quote(&variant.about)),
            ("seed", variant.seed.to_string()),
            ("stack.instances", variant.instances.to_string()),
        ];
        for (key, value) in said {
            let key = key.to_owned();
            let _ = document.set(&Override { key, value }, &mut sources);
        }
        let (text, _) = document.write();
        format!("{text}\n{}", variant.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Alone, parse};

    const BASE: &str = r#"
schema = 1
name = "base"      # a comment
about = "It says \"so\"."
duration = "10m"
[[journey]]
name = "one"
get = ["/prices/{symbol}"]
[[load]]
name = "day"
rate = "1/s"
[[fault]]
name = "f"
target = "store"
at = "1m"
for = "1m"
kind = "down"
[[expect]]
check = "api.success == 100%"
"#;

    #[test]
    fn a_variant_keeps_all_but_what_it_says_otherwise() {
        let base = parse("base.toml", BASE, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        let text = base.variant(&Variant {
            name: "base-seed-7".to_owned(),
            about: "A \"quoted\" word.".to_owned(),
            seed: 7,
            instances: 3,
            faults: "[[fault]]\nname = \"g\"\ntarget = \"coingecko\"\nat = \"2m\"\nfor = \"1m\"\nkind = \"hang\"\n"
                .to_owned(),
        });
        insta::assert_snapshot!(text, @r#"
        schema = 1
        name = "base-seed-7"
        about = "A \"quoted\" word."
        duration = "10m"
        seed = 7

        [[journey]]
        name = "one"
        get = ["/prices/{symbol}"]

        [[load]]
        name = "day"
        rate = "1/s"

        [stack]
        instances = 3

        [[fault]]
        name = "g"
        target = "coingecko"
        at = "2m"
        for = "1m"
        kind = "hang"
        "#);
        let read = parse("variant.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!((read.seed, read.stack.instances, read.expects.len()), (7, 3, 0));
        assert_eq!((read.loads.len(), read.duration), (1, base.duration));
        assert_eq!(
            read.faults.iter().map(|fault| &*fault.name).collect::<Vec<_>>(),
            ["g"]
        );
    }
}

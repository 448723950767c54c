//! Managing API keys: each command answers with one JSON line per key.

use serde::Serialize;

use super::ServeError;
use crate::{
    App,
    auth::key_id,
    clock::Timestamp,
    models::{ApiKeyItem, KeyId},
    stdout::write_line,
    store::StoreError,
};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCommand {
    /// Makes a key and shows it, this once.
    Create {
        /// What its owner is called.
        name: String,
        /// The secret; drawn when none is given.
        secret: Option<String>,
    },
    /// Shows all keys, not their secrets.
    List,
    /// Disables a key: processes that know it let it in for a last `KEY_CACHE_SECONDS`.
    Disable {
        /// Its id, 64 hex digits.
        id: String,
    },
}

/// A key as shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    name: &'a str,
    enabled: bool,
    created_at: jiff::Timestamp,
    last_used_at: Option<jiff::Timestamp>,
}

pub(super) async fn run(app: &App, command: KeyCommand) -> Result<(), ServeError> {
    match command {
        KeyCommand::Create { name, secret } => create(app, name, secret).await,
        KeyCommand::List => list(app).await,
        KeyCommand::Disable { id } => disable(app, &id).await,
    }
}

async fn create(app: &App, name: String, secret: Option<String>) -> Result<(), ServeError> {
    let secret = secret.unwrap_or_else(|| {
        // 192 bits: nobody guesses it, and it still fits on a line.
        format!(
            "cw_{:016x}{:016x}{:016x}",
            app.rng.next_u64(),
            app.rng.next_u64(),
            app.rng.next_u64()
        )
    });
    if secret.trim() != secret
        || secret.is_empty()
        || secret.len() > 256
        || !secret.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(ServeError::Keys(
            "a key is 1 to 256 printable ASCII characters without spaces".to_owned(),
        ));
    }
    let item = ApiKeyItem {
        id: key_id(&secret),
        name,
        created_at: app.clock.now(),
        enabled: true,
        last_used_at: None,
    };
    let created = app.store.put_api_key(&item).await.map_err(store_failed)?.value;
    if !created {
        return Err(ServeError::Keys(
            "this key exists already; choose another with --key".to_owned(),
        ));
    }
    show(&item, Some(&secret));
    // Beside what a program reads: whoever deploys has to let the key pass the gateway, too.
    let told = attaching(&item.name, &secret, app.config.environment.as_str());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
    Ok(())
}

/// The two commands after which API Gateway, which knows keys by itself and only those of a usage plan, lets a key pass.
/// (It takes values of 20 to 128 characters.)
fn attaching(name: &str, secret: &str, environment: &str) -> String {
    let name = quoted(name);
    let secret = quoted(secret);
    format!(
        "to let it pass the API Gateway of {environment}:
key=$(aws apigateway create-api-key --enabled --name {name} --value {secret} --query id --output text)
aws apigateway create-usage-plan-key --key-type API_KEY --key-id \"$key\" --usage-plan-id \"$(aws cloudformation describe-stacks --stack-name crypto-watch-{environment} --query \"Stacks[0].Outputs[?OutputKey=='UsagePlanId'].OutputValue\" --output text)\"
"
    )
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

async fn list(app: &App) -> Result<(), ServeError> {
    let mut start = None;
    loop {
        let page = app
            .store
            .list_api_keys(start.as_ref())
            .await
            .map_err(store_failed)?
            .value;
        for item in &page.keys {
            show(item, None);
        }
        match page.next {
            Some(next) => start = Some(next),
            None => return Ok(()),
        }
    }
}

async fn disable(app: &App, id: &str) -> Result<(), ServeError> {
    let known = app
        .store
        .disable_api_key(&KeyId::new(id))
        .await
        .map_err(store_failed)?
        .value;
    if !known {
        return Err(ServeError::Keys(format!(
            "there is no key with the id {id}; see `list`"
        )));
    }
    write_line(&serde_json::json!({ "keyId": id, "enabled": false }).to_string());
    Ok(())
}

fn show(item: &ApiKeyItem, secret: Option<&str>) {
    let civil = |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let shown = Shown {
        key_id: item.id.as_str(),
        key: secret,
        name: &item.name,
        enabled: item.enabled,
        created_at: civil(item.created_at),
        last_used_at: item.last_used_at.map(civil),
    };
    // Texts always serialise.
    write_line(&serde_json::to_string(&shown).unwrap_or_default());
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn store_failed(error: StoreError) -> ServeError {
    ServeError::Keys(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_comes_with_the_commands_that_let_it_pass_the_gateway() {
        insta::assert_snapshot!(attaching("Ann's app", "cw_0123456789abcdef", "dev"), @r#"
        to let it pass the API Gateway of dev:
        key=$(aws apigateway create-api-key --enabled --name 'Ann'\''s app' --value 'cw_0123456789abcdef' --query id --output text)
        aws apigateway create-usage-plan-key --key-type API_KEY --key-id "$key" --usage-plan-id "$(aws cloudformation describe-stacks --stack-name crypto-watch-dev --query "Stacks[0].Outputs[?OutputKey=='UsagePlanId'].OutputValue" --output text)"
        "#);
    }
}

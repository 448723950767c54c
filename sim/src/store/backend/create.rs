//! The service's table at somebody else's endpoint, to stay there: made, or found as it has to be.

use serde_json::json;

use super::{BackendError, choice::Endpoint, client::Client, prepare::active, remote::signer, tools::Tools};
use crate::store::table::{definition, time_to_live};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// It is new.
    Made,
    /// It was there.
    Found,
    /// It was there, and items did not expire; now they do.
    Mended,
}

/// Makes the table, with its time to live, unless it is there; it can be used when this returns.
///
/// # Errors
/// The endpoint does not answer, says no, or has another table of this name.
pub async fn ensure(endpoint: &Endpoint, table: &str, tools: &Tools) -> Result<Ensured, BackendError> {
    let client = Client::new(endpoint.uri.clone(), signer(endpoint, tools)?);
    let refused = |action| move |error| BackendError::refused(action, table, error);
    let ensured = match client.ask("CreateTable", &definition(table)).await {
        Ok(_) => Ensured::Made,
        Err(error) if error.is("ResourceInUseException") => Ensured::Found,
        Err(error) => return Err(refused("create")(error)),
    };
    active(&client, table).await?;
    let ttl = client
        .ask("DescribeTimeToLive", &json!({ "TableName": table }))
        .await
        .map_err(refused("look at the time to live of"))?;
    let about = &ttl["TimeToLiveDescription"];
    // To enable what is enabled, or is about to be, is an error.
    if about["TimeToLiveStatus"] == "ENABLED" || about["TimeToLiveStatus"] == "ENABLING" {
        return match about["AttributeName"].as_str() {
            None | Some("ttl") => Ok(ensured),
            Some(other) => Err(BackendError::TimeToLive {
                table: table.to_owned(),
                found: other.to_owned(),
            }),
        };
    }
    client
        .ask("UpdateTimeToLive", &time_to_live(table))
        .await
        .map_err(refused("set the time to live of"))?;
    Ok(if ensured == Ensured::Made {
        Ensured::Made
    } else {
        Ensured::Mended
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::EmbeddedStore;

    async fn ensured(url: &str, table: &str) -> Result<Ensured, String> {
        let endpoint = Endpoint::parse(url).expect("an endpoint");
        ensure(&endpoint, table, &Tools::default())
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_table_is_made_once() {
        let store = EmbeddedStore::start().expect("an emulator");
        assert_eq!(ensured(store.url(), "crypto-watch").await, Ok(Ensured::Made));
        assert_eq!(ensured(store.url(), "crypto-watch").await, Ok(Ensured::Found));
        let request = serde_json::from_value(json!({ "TableName": "crypto-watch" })).expect("a request");
        let ttl = store
            .database()
            .describe_time_to_live(request)
            .expect("it is there");
        let ttl = serde_json::to_value(ttl).expect("JSON");
        assert_eq!(
            ttl["TimeToLiveDescription"],
            json!({ "AttributeName": "ttl", "TimeToLiveStatus": "ENABLED" })
        );
    }

    #[tokio::test]
    async fn another_table_of_that_name_is_left_alone() {
        let store = EmbeddedStore::start().expect("an emulator");
        let other = json!({
            "TableName": "crypto-watch",
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "BillingMode": "PAY_PER_REQUEST",
        });
        let request = serde_json::from_value(other).expect("a request");
        store.database().create_table(request).expect("made");
        insta::assert_snapshot!(
            ensured(store.url(), "crypto-watch").await.expect_err("it is another's"),
            @"the table `crypto-watch` is not the service's: its keys are HASH id (S), not HASH PK (S), RANGE SK (S)"
        );
        let mut numbers = definition("numbers");
        numbers["AttributeDefinitions"][0]["AttributeType"] = "N".into();
        let request = serde_json::from_value(numbers).expect("a request");
        store.database().create_table(request).expect("made");
        insta::assert_snapshot!(
            ensured(store.url(), "numbers").await.expect_err("it is another's"),
            @"the table `numbers` is not the service's: its keys are HASH PK (N), RANGE SK (S), not HASH PK (S), RANGE SK (S)"
        );
    }

    #[tokio::test]
    async fn a_table_of_which_nothing_expires_is_mended_and_one_that_expires_otherwise_is_refused() {
        let store = EmbeddedStore::start().expect("an emulator");
        let request = serde_json::from_value(definition("crypto-watch")).expect("a request");
        store.database().create_table(request).expect("made");
        assert_eq!(ensured(store.url(), "crypto-watch").await, Ok(Ensured::Mended));
        assert_eq!(ensured(store.url(), "crypto-watch").await, Ok(Ensured::Found));
        let request = serde_json::from_value(definition("other")).expect("a request");
        store.database().create_table(request).expect("made");
        let mut expires = time_to_live("other");
        expires["TimeToLiveSpecification"]["AttributeName"] = "expires".into();
        let request = serde_json::from_value(expires).expect("a request");
        store.database().update_time_to_live(request).expect("set");
        insta::assert_snapshot!(
            ensured(store.url(), "other").await.expect_err("it is another's"),
            @"the table `other` is not the service's: its time to live is in `expires`, not in `ttl`"
        );
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_is_refused() {
        let store = EmbeddedStore::start().expect("an emulator");
        let refused = ensured(store.url(), "no table!").await.expect_err("no such name");
        assert!(
            refused.starts_with("cannot create the table `no table!`: ValidationException: "),
            "{refused}"
        );
    }
}

//! A DynamoDB that is not ours, and our table in it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use aws_credential_types::Credentials;
use serde_json::json;
use service::rng::{Rng, SystemRng};

use super::{
    BackendError, Contents, StoreAbout,
    choice::Endpoint,
    client::{AskError, Client},
    prepare::{CREATE, prepare},
    tools::Tools,
};
use crate::store::signing::Signer;

/// What stands in for credentials and a region where nobody looks at them.
const ANY: &str = "simulated";
const ANY_REGION: &str = "us-east-1";

/// Our table at an endpoint. When it is dropped the table is deleted.
#[derive(Debug)]
pub(super) struct Remote {
    endpoint: Endpoint,
    url: String,
    table: String,
    signer: Signer,
    client: Client,
    tools: Tools,
    /// Whether there may be a table to delete.
    made: AtomicBool,
}

impl Remote {
    /// Makes up a table's name; nothing is asked yet.
    pub(super) fn new(endpoint: &Endpoint, tools: &Tools) -> Result<Self, BackendError> {
        let signer = signer(endpoint, tools)?;
        Ok(Self {
            url: endpoint.to_string(),
            table: format!("sim-{:016x}", SystemRng.next_u64()),
            client: Client::new(endpoint.uri.clone(), signer.clone()),
            signer,
            endpoint: endpoint.clone(),
            tools: tools.clone(),
            made: false.into(),
        })
    }

    pub(super) fn about(&self) -> StoreAbout {
        StoreAbout {
            name: "DynamoDB".to_owned(),
            version: None,
            how: self.url.clone(),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(super) async fn prepare(&self, contents: &Contents) -> Result<(), BackendError> {
        // Before it is asked for: an answer may be lost.
        self.made.store(true, Ordering::Release);
        let prepared = prepare(&self.client, &self.table, contents, &self.tools.tell).await;
        if let Err(BackendError::Refused {
            action: CREATE,
            reason: AskError::Refused { code, .. },
            ..
        }) = &prepared
            && code != "InternalServerError"
        {
            // It was not made, or it is somebody else's.
            self.made.store(false, Ordering::Release);
        }
        prepared
    }

    /// Deletes the table.
    pub(super) async fn stop(self) -> Result<(), BackendError> {
        if !self.made.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        delete(&self.client, &self.table)
            .await
            .map_err(|reason| BackendError::TableLeft {
                table: self.table.clone(),
                url: self.url.clone(),
                reason,
            })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if !self.made.load(Ordering::Acquire) {
            return;
        }
        let (uri, signer, table) = (self.endpoint.uri.clone(), self.signer.clone(), self.table.clone());
        // Nothing can be awaited here, and the runtime may be going down: on a runtime of its own.
        let deleting = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return false };
            runtime.block_on(async { delete(&Client::new(uri, signer), &table).await.is_ok() })
        });
        if !deleting.join().unwrap_or(false) {
            let (table, url) = (&self.table, &self.url);
            self.tools.tell.notice(&format!(
                "the table `{table}` at {url} may be left: delete it by hand"
            ));
        }
    }
}

/// Deletes a table, if it is there.
async fn delete(client: &Client, table: &str) -> Result<(), AskError> {
    match client.ask("DeleteTable", &json!({ "TableName": table })).await {
        Err(error) if !error.is("ResourceNotFoundException") => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Who asks: the usual variables; where nobody looks, anybody does.
pub(super) fn signer(endpoint: &Endpoint, tools: &Tools) -> Result<Signer, BackendError> {
    let id = tools.variable("AWS_ACCESS_KEY_ID");
    let secret = tools.variable("AWS_SECRET_ACCESS_KEY");
    let token = tools.variable("AWS_SESSION_TOKEN").map(str::to_owned);
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| tools.variable(name))
        .or_else(|| region(endpoint.uri.host()?));
    let nobody = || BackendError::NoCredentials(endpoint.to_string());
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let region = match (region, endpoint.is_public) {
                (Some(region), _) => region,
                (None, false) => ANY_REGION,
                (None, true) => return Err(nobody()),
            };
            Ok(Signer::new(Credentials::from_keys(id, secret, token), region))
        }
        _ if endpoint.is_public => Err(nobody()),
        _ => Ok(Signer::new(
            Credentials::from_keys(ANY, ANY, None),
            region.unwrap_or(ANY_REGION),
        )),
    }
}

/// The region in `dynamodb.eu-central-1.amazonaws.com`.
fn region(host: &str) -> Option<&str> {
    host.strip_prefix("dynamodb.")?
        .split_once(".amazonaws.com")
        .map(|(region, _)| region)
}

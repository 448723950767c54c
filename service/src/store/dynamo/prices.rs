//! Prices: batch read and batch write.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    ConsumedCapacity, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, WriteRequest,
};

use super::{
    super::{
        Consistency, PriceBatch, StoreError,
        item::{Item, price_item, price_key, read_price, symbol_of_key},
    },
    Answer, DynamoStore,
    error::failed,
    read, written,
};
use crate::models::{StoredPrice, Symbol};

impl DynamoStore {
    pub(super) async fn batch_get(&self, symbols: &[Symbol], consistency: Consistency) -> Answer<PriceBatch> {
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(symbols.iter().map(price_key).collect()))
            .consistent_read(consistency == Consistency::Strong)
            .build()
            .map_err(|error| rejected("BatchGetItem", &error))?;
        let answer = self
            .reads
            .batch_get_item()
            .request_items(&self.table, keys)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| failed("BatchGetItem", &error))?;
        let items = answer.responses().and_then(|tables| tables.get(&self.table));
        let unprocessed = answer
            .unprocessed_keys()
            .and_then(|tables| tables.get(&self.table));
        let batch = PriceBatch {
            prices: items.into_iter().flatten().filter_map(readable).collect(),
            unprocessed: unprocessed
                .into_iter()
                .flat_map(|keys| keys.keys())
                .filter_map(symbol_of_key)
                .collect(),
        };
        Ok(read(batch, one_table(answer.consumed_capacity())))
    }

    pub(super) async fn batch_write(&self, prices: &[StoredPrice]) -> Answer<Vec<Symbol>> {
        let requests = prices
            .iter()
            .map(|price| {
                let put = PutRequest::builder().set_item(Some(price_item(price))).build()?;
                Ok(WriteRequest::builder().put_request(put).build())
            })
            .collect::<Result<Vec<_>, aws_sdk_dynamodb::error::BuildError>>()
            .map_err(|error| rejected("BatchWriteItem", &error))?;
        let answer = self
            .writes
            .batch_write_item()
            .set_request_items(Some(HashMap::from([(self.table.clone(), requests)])))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| failed("BatchWriteItem", &error))?;
        let unprocessed = answer
            .unprocessed_items()
            .and_then(|tables| tables.get(&self.table));
        let symbols = unprocessed
            .into_iter()
            .flatten()
            .filter_map(|request| symbol_of_key(request.put_request()?.item()))
            .collect();
        Ok(written(symbols, one_table(answer.consumed_capacity())))
    }
}

/// An unreadable price is as good as none: the next refresh replaces it.
fn readable(item: &Item) -> Option<StoredPrice> {
    read_price(item)
        .inspect_err(|error| {
            let symbol = symbol_of_key(item);
            tracing::warn!(event = "corrupt", symbol = ?symbol, "a stored price is unreadable: {error}");
        })
        .ok()
}

/// Batches report per table, and ours is one.
fn one_table(consumed: &[ConsumedCapacity]) -> Option<&ConsumedCapacity> {
    consumed.first()
}

fn rejected(operation: &'static str, error: &aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Rejected {
        operation,
        reason: error.to_string(),
    }
}

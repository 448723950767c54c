//! API keys and their request counters.

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    super::{
        ApiKeyPage, Counted, KeyPosition,
        item::{
            API_KEY, Item, METADATA, PK, SK, api_key_item, api_key_key, key, millis, number, rate_limit_key,
            read_api_key, read_count, text,
        },
    },
    Answer, DynamoStore,
    error::{corrupt, failed},
    lease::condition_failed,
    read, refused, written,
};
use crate::models::{ApiKeyItem, KeyId, Timestamp};

impl DynamoStore {
    pub(super) async fn get_key(&self, id: &KeyId) -> Answer<Option<ApiKeyItem>> {
        let answer = self
            .reads
            .get_item()
            .table_name(&self.table)
            .set_key(Some(api_key_key(id)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| failed("GetItem", &error))?;
        let found = answer
            .item()
            .map(read_api_key)
            .transpose()
            .map_err(corrupt("GetItem"))?;
        Ok(read(found, answer.consumed_capacity()))
    }

    pub(super) async fn put_key(&self, api_key: &ApiKeyItem) -> Answer<bool> {
        let answer = self
            .writes
            .put_item()
            .table_name(&self.table)
            .set_item(Some(api_key_item(api_key)))
            .condition_expression("attribute_not_exists(PK)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(written(true, answer.consumed_capacity())),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(refused(false))
            }
            Err(error) => Err(failed("PutItem", &error)),
        }
    }

    pub(super) async fn disable_key(&self, id: &KeyId) -> Answer<bool> {
        let update = self
            .update_key(api_key_key(id))
            .update_expression("SET #enabled = :no")
            .condition_expression("attribute_exists(PK)")
            .expression_attribute_names("#enabled", "enabled")
            .expression_attribute_values(":no", AttributeValue::Bool(false));
        conditional(update).await
    }

    pub(super) async fn touch_key(&self, id: &KeyId, now: Timestamp, not_since: Timestamp) -> Answer<bool> {
        let update = self
            .update_key(api_key_key(id))
            .update_expression("SET #lastUsedAt = :now")
            .condition_expression(
                "attribute_exists(PK) AND (attribute_not_exists(#lastUsedAt) OR #lastUsedAt <= :notSince)",
            )
            .expression_attribute_names("#lastUsedAt", "lastUsedAt")
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":notSince", millis(not_since));
        conditional(update).await
    }

    pub(super) async fn scan_keys(&self, start: Option<&KeyPosition>) -> Answer<ApiKeyPage> {
        let answer = self
            .reads
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(PK, :key) AND SK = :metadata")
            .expression_attribute_values(":key", AttributeValue::S(API_KEY.to_owned()))
            .expression_attribute_values(":metadata", AttributeValue::S(METADATA.to_owned()))
            .set_exclusive_start_key(start.map(|at| key(at.pk.clone(), at.sk.clone())))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| failed("Scan", &error))?;
        let keys = answer
            .items()
            .iter()
            .map(read_api_key)
            .collect::<Result<_, _>>()
            .map_err(corrupt("Scan"))?;
        let next = answer
            .last_evaluated_key()
            .map(|at| {
                Ok(KeyPosition {
                    pk: text(at, PK)?.to_owned(),
                    sk: text(at, SK)?.to_owned(),
                })
            })
            .transpose()
            .map_err(corrupt("Scan"))?;
        Ok(read(ApiKeyPage { keys, next }, answer.consumed_capacity()))
    }

    pub(super) async fn get_count(&self, id: &KeyId, window: i64) -> Answer<u32> {
        let answer = self
            .reads
            .get_item()
            .table_name(&self.table)
            .set_key(Some(rate_limit_key(id, window)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| failed("GetItem", &error))?;
        let count = read_count(answer.item()).map_err(corrupt("GetItem"))?;
        Ok(read(count, answer.consumed_capacity()))
    }

    pub(super) async fn add_count(&self, id: &KeyId, window: i64, room: u32, ttl: i64) -> Answer<Counted> {
        let update = self
            .update_key(rate_limit_key(id, window))
            .update_expression("SET #ttl = if_not_exists(#ttl, :ttl) ADD #requestCount :one")
            .condition_expression("attribute_not_exists(#requestCount) OR #requestCount < :room")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#requestCount", "requestCount")
            .expression_attribute_values(":ttl", number(ttl))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":room", number(room.into()))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(answer) => {
                let count = read_count(answer.attributes()).map_err(corrupt("UpdateItem"))?;
                Ok(written(Counted::Admitted { count }, answer.consumed_capacity()))
            }
            Err(error) => match condition_failed(&error) {
                Some(item) => {
                    let count = read_count(item).map_err(corrupt("UpdateItem"))?;
                    Ok(refused(Counted::Refused { count }))
                }
                None => Err(failed("UpdateItem", &error)),
            },
        }
    }

    fn update_key(&self, key: Item) -> UpdateItemFluentBuilder {
        self.writes
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}

/// Sends an update and says whether its condition held.
async fn conditional(update: UpdateItemFluentBuilder) -> Answer<bool> {
    match update.send().await {
        Ok(answer) => Ok(written(true, answer.consumed_capacity())),
        Err(error) if condition_failed(&error).is_some() => Ok(refused(false)),
        Err(error) => Err(failed("UpdateItem", &error)),
    }
}

//! The refresh lease: its two conditional updates. The expressions are those of ARCHITECTURE.md.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    super::{
        Acquire, AcquireLease, Binary, ReleaseLease, ReleaseOutcome,
        item::{lease_key, millis, number, read_lease, tokens},
    },
    Answer, DynamoStore,
    error::{corrupt, failed},
    read, refused, written,
};
use crate::models::{LeaseItem, RetryTokens};

/// Nobody holds it, no backoff lies ahead, a refresh is due.
const MAY_REFRESH: &str = "(attribute_not_exists(#leaseUntil) OR #leaseUntil <= :now) \
     AND (attribute_not_exists(#retryNotBefore) OR #retryNotBefore <= :now) \
     AND (attribute_not_exists(#refreshedAt) OR #refreshedAt <= :due)";
/// What an API process minds besides.
const API_MAY_REFRESH: &str = "(attribute_not_exists(#apiNotBefore) OR #apiNotBefore <= :now)";

impl DynamoStore {
    pub(super) async fn get_lease(&self) -> Answer<LeaseItem> {
        let answer = self
            .reads
            .get_item()
            .table_name(&self.table)
            .set_key(Some(lease_key()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| failed("GetItem", &error))?;
        let lease = answer
            .item()
            .map(read_lease)
            .transpose()
            .map_err(corrupt("GetItem"))?;
        Ok(read(lease.unwrap_or_default(), answer.consumed_capacity()))
    }

    pub(super) async fn acquire(&self, request: &AcquireLease) -> Answer<Acquire> {
        let mut update = self
            .update_lease()
            .update_expression("SET #holder = :me, #leaseUntil = :until")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#leaseUntil", "leaseUntil")
            .expression_attribute_names("#retryNotBefore", "retryNotBefore")
            .expression_attribute_names("#refreshedAt", "refreshedAt")
            .expression_attribute_values(":me", AttributeValue::S(request.holder.0.to_string()))
            .expression_attribute_values(":until", millis(request.until))
            .expression_attribute_values(":now", millis(request.now))
            .expression_attribute_values(":due", millis(request.due_before))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        update = match request.binary {
            Binary::Update => update.condition_expression(MAY_REFRESH),
            Binary::Api => update
                .condition_expression(format!("{MAY_REFRESH} AND {API_MAY_REFRESH}"))
                .expression_attribute_names("#apiNotBefore", "apiNotBefore"),
        };
        match update.send().await {
            Ok(answer) => {
                let item = answer
                    .attributes()
                    .map(read_lease)
                    .transpose()
                    .map_err(corrupt("UpdateItem"))?;
                Ok(written(
                    Acquire::Acquired(item.unwrap_or_default()),
                    answer.consumed_capacity(),
                ))
            }
            Err(error) => match condition_failed(&error) {
                Some(item) => {
                    let item = item.map(read_lease).transpose().map_err(corrupt("UpdateItem"))?;
                    Ok(refused(Acquire::Refused(item.unwrap_or_default())))
                }
                None => Err(failed("UpdateItem", &error)),
            },
        }
    }

    pub(super) async fn release(&self, request: &ReleaseLease) -> Answer<bool> {
        let update = self
            .update_lease()
            .condition_expression("#holder = :me")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#leaseUntil", "leaseUntil")
            .expression_attribute_values(":me", AttributeValue::S(request.holder.0.to_string()));
        match leave_behind(update, &request.outcome).send().await {
            Ok(answer) => Ok(written(true, answer.consumed_capacity())),
            Err(error) if condition_failed(&error).is_some() => Ok(refused(false)),
            Err(error) => Err(failed("UpdateItem", &error)),
        }
    }

    fn update_lease(&self) -> UpdateItemFluentBuilder {
        self.writes
            .update_item()
            .table_name(&self.table)
            .set_key(Some(lease_key()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}

/// The update expression of each way for a refresh to end.
fn leave_behind(update: UpdateItemFluentBuilder, outcome: &ReleaseOutcome) -> UpdateItemFluentBuilder {
    let counted = |update: UpdateItemFluentBuilder, failures: u32, left: RetryTokens| {
        update
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_names("#retryTokens", "retryTokens")
            .expression_attribute_values(":failures", number(failures.into()))
            .expression_attribute_values(":tokens", tokens(left))
    };
    match *outcome {
        ReleaseOutcome::Refreshed { at, tokens } => counted(update, 0, tokens)
            .update_expression(
                "SET #refreshedAt = :at, #retryTokens = :tokens, #failures = :failures \
                 REMOVE #leaseUntil, #retryNotBefore, #apiNotBefore",
            )
            .expression_attribute_names("#refreshedAt", "refreshedAt")
            .expression_attribute_names("#retryNotBefore", "retryNotBefore")
            .expression_attribute_names("#apiNotBefore", "apiNotBefore")
            .expression_attribute_values(":at", millis(at)),
        ReleaseOutcome::Failed { failures, tokens, retry_not_before } => counted(update, failures, tokens)
            .update_expression(
                "SET #failures = :failures, #retryTokens = :tokens, #retryNotBefore = :when REMOVE #leaseUntil",
            )
            .expression_attribute_names("#retryNotBefore", "retryNotBefore")
            .expression_attribute_values(":when", millis(retry_not_before)),
        ReleaseOutcome::GaveUp { failures, tokens, api_not_before } => counted(update, failures, tokens)
            .update_expression(
                "SET #failures = :failures, #retryTokens = :tokens, #apiNotBefore = :when REMOVE #leaseUntil",
            )
            .expression_attribute_names("#apiNotBefore", "apiNotBefore")
            .expression_attribute_values(":when", millis(api_not_before)),
        ReleaseOutcome::Unused => update.update_expression("REMOVE #leaseUntil"),
    }
}

type UpdateFailure = SdkError<UpdateItemError, aws_sdk_dynamodb::config::http::HttpResponse>;

/// The item as it is, when it was the condition that failed.
pub(super) fn condition_failed(error: &UpdateFailure) -> Option<Option<&super::super::item::Item>> {
    match error.as_service_error()? {
        UpdateItemError::ConditionalCheckFailedException(refusal) => Some(refusal.item()),
        _ => None,
    }
}

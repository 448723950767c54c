//! The table itself: made as it is deployed, and told so.

use serde_json::json;
use sim::store::table;

use super::super::raw::Raw;

/// `DescribeTable` tells what `CreateTable` was given, and the time to live that was set after it.
pub(crate) async fn are_as_they_were_made(raw: &Raw) {
    let asked = table::definition(raw.table());
    let answer = raw.call("DescribeTable", &raw.here(json!({}))).await;
    let told = &answer["Table"];
    assert_eq!(told["TableName"], raw.table());
    assert_eq!(told["TableStatus"], "ACTIVE");
    assert_eq!(told["KeySchema"], asked["KeySchema"]);
    assert_eq!(told["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    let attributes = |of: &serde_json::Value| {
        let mut all = of["AttributeDefinitions"]
            .as_array()
            .cloned()
            .expect("attributes");
        all.sort_by_key(|attribute| attribute["AttributeName"].to_string());
        all
    };
    assert_eq!(attributes(told), attributes(&asked));
    let (index, asked) = (&told["GlobalSecondaryIndexes"], &asked["GlobalSecondaryIndexes"]);
    assert_eq!(index.as_array().map(Vec::len), Some(1));
    for member in ["IndexName", "KeySchema", "Projection"] {
        assert_eq!(index[0][member], asked[0][member], "{member}");
    }
    assert_eq!(index[0]["IndexStatus"], "ACTIVE");

    let answer = raw.call("DescribeTimeToLive", &raw.here(json!({}))).await;
    assert_eq!(
        answer["TimeToLiveDescription"],
        json!({ "AttributeName": "ttl", "TimeToLiveStatus": "ENABLED" })
    );
}

/// A second table of that name is refused, and so is whatever is asked of a table that is not there.
pub(crate) async fn have_names_of_their_own(raw: &Raw) {
    let (taken, missing) = ("ResourceInUseException", "ResourceNotFoundException");
    raw.refused("CreateTable", &table::definition(raw.table()), taken)
        .await;
    let nowhere = json!({ "TableName": "missing" });
    for operation in ["DescribeTable", "DescribeTimeToLive", "DeleteTable"] {
        raw.refused(operation, &nowhere, missing).await;
    }
    raw.refused("UpdateTimeToLive", &table::time_to_live("missing"), missing)
        .await;
}

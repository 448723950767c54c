//! A scan of the table for API keys: the one request that sees all kinds of items, as the keys tool sends it.

use service::store::{ApiKeyPage, Consistency, KeyPosition};

use super::{items::Items, size, size::read_units};

/// Most that a page reads, bytes, the items that its filter drops included.
const MAX_PAGE: usize = 1024 * 1024;

/// An item of the table as a scan meets it.
struct Row<'a> {
    partition: String,
    sort: String,
    bytes: usize,
    key: Option<&'a service::models::ApiKeyItem>,
}

/// The page that starts behind `start`, and what it consumes.
///
/// DynamoDB's order is that of a hash of the partition keys, and says nothing; here it is that of the keys.
pub(super) fn page(items: &Items, start: Option<&KeyPosition>) -> (ApiKeyPage, f64) {
    let rows = rows(items);
    let first = start.map_or(0, |start| {
        rows.partition_point(|row| (&row.partition, &row.sort) <= (&start.pk, &start.sk))
    });
    let (mut page, mut bytes) = (ApiKeyPage::default(), 0);
    let mut last: Option<&Row<'_>> = None;
    for row in &rows[first..] {
        // A page has an item at least, however large.
        if let Some(last) = last.filter(|_| bytes + row.bytes > MAX_PAGE) {
            page.next = Some(KeyPosition {
                pk: last.partition.clone(),
                sk: last.sort.clone(),
            });
            break;
        }
        bytes += row.bytes;
        page.keys.extend(row.key.cloned());
        last = Some(row);
    }
    (page, read_units(bytes, Consistency::Eventual))
}

/// All items in the order of their primary keys. Made for each page: nobody scans in a hurry.
fn rows(items: &Items) -> Vec<Row<'_>> {
    let metadata = || "METADATA".to_owned();
    let keys = items.keys().iter().flat_map(|key| {
        let partition = format!("APIKEY#{}", key.id);
        let item = key.item.as_ref().map(|item| Row {
            partition: partition.clone(),
            sort: metadata(),
            bytes: size::api_key(item),
            key: Some(item),
        });
        let counters = key.counters.iter().map(move |counter| Row {
            partition: partition.clone(),
            sort: format!("RATELIMIT#{}", counter.window),
            bytes: counter.bytes(&key.id),
            key: None,
        });
        item.into_iter().chain(counters)
    });
    let lease = items.lease_bytes().map(|bytes| Row {
        partition: "LEASE#prices".to_owned(),
        sort: metadata(),
        bytes,
        key: None,
    });
    let prices = items.price_bytes().map(|(symbol, bytes)| Row {
        partition: format!("PRICE#{symbol}"),
        sort: metadata(),
        bytes,
        key: None,
    });
    let mut rows: Vec<_> = keys.chain(lease).chain(prices).collect();
    rows.sort_unstable_by(|a, b| (&a.partition, &a.sort).cmp(&(&b.partition, &b.sort)));
    rows
}

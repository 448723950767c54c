//! The JSON Schema of `report.json`, made from its types.

use super::ReportDocument;

/// The schema as pretty JSON with a newline at its end.
#[must_use]
pub fn report_schema() -> String {
    format!("{:#}\n", schemars::schema_for!(ReportDocument).as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        assert_eq!(
            report_schema(),
            include_str!("report.schema.json"),
            "report.json has changed its shape: if that is meant, write the output of `crypto-watch-sim schema \
             report` to sim/src/report/report.schema.json"
        );
    }
}

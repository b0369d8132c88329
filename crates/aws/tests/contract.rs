//! The adapters against an AWS-compatible endpoint that runs already: `GRIDBELL_TEST_ENDPOINT_URL=http://127.0.0.1:4566`.

use std::io::Write;

use aws::{
    client::{self, Access},
    contract::{self, Resources},
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable},
    world::World,
};
use pipeline::ports::Chance;

#[tokio::test]
async fn the_adapters_keep_the_contract_of_the_ports() {
    let Ok(endpoint) = std::env::var("GRIDBELL_TEST_ENDPOINT_URL") else {
        // Past the test runner, which would swallow it.
        let skipped = "SKIPPED: GRIDBELL_TEST_ENDPOINT_URL names no endpoint to check the adapters against";
        let _ = writeln!(std::io::stderr(), "{skipped}");
        return;
    };
    let aws = client::shared(Access::new(Some(&endpoint), "us-east-1", "test", "test"));
    let resources = Resources::create(&aws, &format!("contract-{}", World.unique())).await;
    contract::records(&DispatchesTable::new(&aws, &resources.dispatches)).await;
    let deliveries = DeliveriesTable::new(&aws, &resources.deliveries);
    contract::bookings(&deliveries).await;
    contract::quarantine(&deliveries).await;
    contract::health(&deliveries).await;
    contract::polls(&deliveries).await;
    let alerts = IncidentsTable::new(&aws, &resources.alerts);
    contract::incidents(&alerts).await;
    contract::gates_and_links(&alerts).await;
    contract::messages(&aws, &resources).await;
    contract::delays(&aws, &resources).await;
    // A queue of its own: what the others delayed lies in theirs.
    let fresh = Resources::create(&aws, &format!("contract-{}", World.unique())).await;
    contract::depths(&aws, &fresh).await;
    contract::fifo(&aws, &resources).await;
    contract::verify_sender(&aws, "gridbell@example.com").await;
    contract::mail(&aws, "gridbell@example.com", "grid-duty@example.com").await;
}

//! Rules of AWS that only AWS has, as the simulator plays them.

use jiff::SignedDuration;
use sim::{Inner, Reply, Standard, Times, Toxic, World};

use crate::common::{accepted, run_for, thin, types, voltus, world};

/// Three hours of a provider that answers nothing but errors: so many attempts, and what the retrier's dead letters hold.
fn attempts_in_three_hours(world: &World) -> (usize, usize) {
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None)]);
    accepted(world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(world, 3 * 3_600);
    (world.fetches().len(), world.queued(Inner::RetriesDead).len())
}

#[test]
fn a_chain_of_retries_goes_on_for_hours() {
    let world = world(1);
    let (attempts, dead) = attempts_in_three_hours(&world);
    assert!(attempts > 16, "{attempts} attempts");
    assert_eq!(dead, 0);
    assert!(world.now().duration_since(world.fetches().last().unwrap().at) < SignedDuration::from_mins(31));
}

#[test]
fn a_chain_of_retries_dies_where_lambda_stops_loops() {
    let world = world(1);
    world.stop_loops();
    let (attempts, dead) = attempts_in_three_hours(&world);
    // Sixteen invocations: the receiver's, then the hydrator's and the retrier's in turn; the hydrator's ninth is refused.
    assert_eq!((attempts, dead), (8, 1));
}

#[test]
fn a_redriven_delivery_is_tried_again_though_its_receives_are_kept() {
    for keeps_receives in [false, true] {
        let world = world(1);
        if keeps_receives {
            world.keep_receives();
        }
        let well = Reply::Json(voltus("dkmq", 0, 5).to_string());
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Status(500, None), well]);
        // The hydrator dies each time that it passes the delivery on, and the retrier each time but the last that it takes it.
        world.fault("outlet.retry", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES));
        world.fault("deliveries.book", Toxic::CrashBefore, Times::First(Standard::MAX_RECEIVES - 1));
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 25 * 60);
        assert!(world.queued(Inner::RetriesDead).is_empty(), "receives kept: {keeps_receives}");
        assert_eq!(types(&world, "voltus-prod/dkmq"), ["dispatch.scheduled"], "receives kept: {keeps_receives}");
    }
}

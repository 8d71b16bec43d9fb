//! A job of one's own under the simulator.

use crate::running::Program;

#[test]
fn the_job_survives_what_is_simulated() {
    let said = Program::start("simulated_orders", &["--seeds", "5"]).finish();

    assert!(said.contains("5 seeds, ") && said.contains("nothing lost, nothing doubled"), "{said}");
}

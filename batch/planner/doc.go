// Package planner makes the decisions of the batch engine: when to claim, fold, commit, resolve, retry and discard.
//
// A [Planner] is a state machine without a clock, lock, log, network, random source or goroutine, and it sees no
// record: [Input] values go in, [Output] values come out. Its driver, batch.Engine, does the work and reports the
// results. The linter enforces what the package imports. So every decision can be tested as text (testdata) and for any
// interleaving.
//
// The driver's loop:
//
//  1. Wait for an event, such as a result or a tick, and describe it as an Input.
//  2. Call [Planner.Step] with the time. Times must not go back; their origin does not matter.
//  3. Perform all outputs in order, as the comment of each says. After [Fatal], stop.
//  4. Continue with 1. Results of requests come as inputs, in whatever order the work ends.
//
// If the process crashes anywhere in this loop, nothing is lost or counted twice: what a planner knows follows from the
// checkpoints in MySQL, and every commit moves rows and checkpoints together.
package planner

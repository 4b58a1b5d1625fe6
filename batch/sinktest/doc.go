// Package sinktest tests that a [batch.Sink] implements the protocol.
//
// [Run] is the conformance suite: claim, commit, fence, unknown outcome, discard, older states. A sink takes part with
// a [Harness], which opens it as several processes of one job would, and reads its database.
//
// [Memory] is a model of a sink and its database in a few maps, with outcomes that a test chooses: the reply to a
// COMMIT lost before or after it was applied, a transaction that the server keeps open, a fence, an older state. The
// engine's property tests use it, and it passes the suite itself.
package sinktest

// Package sinktest holds every [batch.Sink] to the protocol.
//
// [Run] is the conformance suite: claim, commit, fence, unknown outcome, throwing away, older states. A sink takes part
// by a [Harness], which opens it as several processes of one job would, and looks into its database.
//
// [Memory] is a model of a sink and its database in a few maps, with outcomes that a test chooses: the answer of a
// COMMIT lost before or after it was carried out, a transaction that the server holds open, a fence, an older state.
// The engine's property tests run against it, and it passes the suite itself.
package sinktest

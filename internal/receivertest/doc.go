// Package receivertest is what the tests of receivers share: Appenders that record events, a running receiver with its
// log and metrics ([Fixture]), the tests that every receiver of Flume's RPC must pass ([Suite]), and raw connections.
package receivertest

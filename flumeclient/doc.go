// Package flumeclient reads lines and sends each as a Flume event over some connections: the work of etl send, and a
// load generator.
//
// One goroutine cuts the input into batches; each connection sends one batch at a time and waits for its answer. A
// batch without an answer may have arrived: with Config.Resend it is sent again after a reconnect, so that everything
// arrives at least once; without, the first one ends the run.
//
// The package speaks no protocol itself: a [Dial] gives it clients.
package flumeclient

// Package flumeclient reads lines and sends each as a Flume event over several connections: the work of etl send, and a
// load generator. It also holds what the clients of all protocols share ([Conn], [Dialer]).
//
// One goroutine splits the input into batches. Each connection sends one batch at a time and waits for its reply. A
// batch without a reply may have arrived: with Config.Resend it is sent again after a reconnect, so everything arrives
// at least once; without it, the first such batch ends the run.
//
// The package implements no protocol: a [Dial] supplies clients, such as those of flumeclient/avro and
// flumeclient/thrift.
package flumeclient

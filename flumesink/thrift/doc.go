// Package thrift receives Flume's Thrift RPC: its [Receiver] is what Flume's Thrift sinks push events to. The client is
// flumeclient/thrift.
//
// A connection carries frames: a length of four bytes, big-endian, and a message in Thrift's compact or strict binary
// protocol (thrift/doc/specs), which differ in their first byte; the reply is in the protocol of its request. The
// service is flume.thrift's ThriftSourceProtocol:
//
//	struct ThriftFlumeEvent { 1: required map<string, string> headers, 2: required binary body }
//	enum Status { OK, FAILED, ERROR, UNKNOWN }
//	Status append(1: ThriftFlumeEvent event)
//	Status appendBatch(1: list<ThriftFlumeEvent> events)
//
// The steps of a request, and what a crash between two of them means, are those of package netserver. Requests of a
// connection are handled one after the other, because Thrift's clients expect replies in the order of their calls. A
// request that Kafka has not acknowledged in time gets no reply, because FAILED costs a Flume sink its connection and
// five seconds.
//
// Apache's library does not touch events: the decoder is our own, and its events are views of the frame.
package thrift

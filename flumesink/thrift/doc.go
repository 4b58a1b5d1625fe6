// Package thrift receives Flume's Thrift RPC: its [Receiver] is what Flume's Thrift sinks push events to. The client is
// flumeclient/thrift.
//
// A connection carries frames: a length of four bytes, big-endian, and a message in Thrift's compact or strict binary
// protocol (thrift/doc/specs), which the message's first byte tells apart; each is answered in its own. The service is
// flume.thrift's ThriftSourceProtocol:
//
//	struct ThriftFlumeEvent { 1: required map<string, string> headers, 2: required binary body }
//	enum Status { OK, FAILED, ERROR, UNKNOWN }
//	Status append(1: ThriftFlumeEvent event)
//	Status appendBatch(1: list<ThriftFlumeEvent> events)
//
// A request's way, and what a death between two steps means, is that of package listen. Requests of a connection are
// handled one after the other, since Thrift's clients want answers in the order of their calls. What Kafka has not
// acknowledged in time is never answered: FAILED costs a Flume sink its connection and five seconds.
//
// Apache's library is not on the way of an event: the decoder is our own, its events are views on the frame.
package thrift

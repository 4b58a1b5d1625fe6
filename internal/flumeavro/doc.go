// Package flumeavro is Flume's Avro protocol as both of its sides need it: the protocol's text, the check of another
// protocol against it, and the encoding of events. It opens no connections. Source: Flume's flume.avdl.
package flumeavro

import _ "embed"

// ProtocolText is Flume's protocol exactly as Avro's own compiler renders flume.avdl (Protocol.toString): the licence
// in the file's head comment is its doc, and so part of the hash. Every Flume 1.x has this text, so the first handshake
// of its senders is answered BOTH.
//
//go:embed protocol.json
var ProtocolText string

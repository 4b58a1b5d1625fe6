package spark

import (
	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/avrorpc"
	"github.com/sluice-etl/sluice/receiver"
)

// protocolText is Spark's sparkflume.avdl without its comments. The sink compares the encodings, which are the same.
const protocolText = `{"protocol":"SparkFlumeProtocol","namespace":"org.apache.spark.streaming.flume.sink","types":[` +
	`{"type":"record","name":"SparkSinkEvent","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]},` +
	`{"type":"record","name":"EventBatch","fields":[{"name":"errorMsg","type":"string","default":""},{"name":"sequenceNumber","type":"string"},{"name":"events","type":{"type":"array","items":"SparkSinkEvent"}}]}],` +
	`"messages":{"getEventBatch":{"request":[{"name":"n","type":"int"}],"response":"EventBatch"},` +
	`"ack":{"request":[{"name":"sequenceNumber","type":"string"}],"response":"null"},` +
	`"nack":{"request":[{"name":"sequenceNumber","type":"string"}],"response":"null"}}}`

// serverHash is the hash of the protocol of Spark's releases, so that their sinks answer the handshake with BOTH.
var serverHash = avrorpc.Hash{0x45, 0xf3, 0xc2, 0xc4, 0xaa, 0x53, 0x24, 0x4c, 0xea, 0xac, 0xda, 0x67, 0x31, 0xde, 0xdf, 0xfb}

// maxSequence bounds a batch's sequence number, which is copied and sent back unchanged. Spark's have 40 bytes.
const maxSequence = 4 << 10

// eventBatch is the reply to getEventBatch without the events. Its texts are copies of bounded length.
type eventBatch struct {
	errorMsg string // if not empty, there is nothing to ack
	sequence string // sent back unchanged
}

// decodeBatch decodes an EventBatch, all of b, and its events into f.Events. The texts are copies, and errorMsg is cut.
// With an error it returns the sequence number if it was found, so that the batch can be returned to the sink.
func decodeBatch(f *receiver.Frame, limits *receiver.Limits, b []byte) (eventBatch, error) {
	errorMsg, at := avrobin.ReadBytes(b, 0)
	if at < 0 {
		return eventBatch{}, receiver.Malformed("event batch: bad errorMsg")
	}
	sequence, at := avrobin.ReadBytes(b, at)
	if at < 0 {
		return eventBatch{}, receiver.Malformed("event batch: bad sequenceNumber")
	}
	if len(sequence) > maxSequence {
		return eventBatch{}, receiver.Malformed("event batch: sequenceNumber has %d bytes, the limit is %d", len(sequence), maxSequence)
	}
	batch := eventBatch{errorMsg: avrorpc.CutText(errorMsg), sequence: string(sequence)}
	at, err := avro.DecodeEvents(f, limits, b, at)
	if err == nil && at != len(b) {
		err = receiver.Malformed("event batch: %d bytes follow the last field", len(b)-at)
	}
	if err == nil {
		err = f.Decompress(limits)
	}
	return batch, err
}

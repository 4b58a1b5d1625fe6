package avro

// The receiver's own reasons, beside those of receiver.Reasons, for which a connection is closed.
const (
	reasonListLength = "list_length"
	reasonProtocol   = "protocol" // the sender's protocol is not Flume's
)

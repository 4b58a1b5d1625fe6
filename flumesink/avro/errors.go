package avro

// The protocol's own reasons for closing a connection, in addition to receiver.Reasons.
const (
	reasonListLength = "list_length"
	reasonProtocol   = "protocol" // the sender's protocol is not Flume's
)

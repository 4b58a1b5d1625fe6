package avro

import (
	"errors"
	"fmt"
)

// Reasons for which a connection is closed or not taken: the values of the label reason.
const (
	reasonFrameBytes  = "frame_bytes"
	reasonListLength  = "list_length"
	reasonBatchEvents = "batch_events"
	reasonHeaders     = "headers"
	reasonHeaderBytes = "header_bytes"
	reasonBodyBytes   = "body_bytes"
	reasonConnections = "connections"
	reasonPerAddress  = "connections_per_address"
	reasonMemory      = "memory"     // no room in the bytes in flight before ack-timeout
	reasonSlow        = "slow_frame" // a frame was not received within ack-timeout of its first byte
	reasonLate        = "late"       // a frame was ready for Kafka only after ack-timeout
	reasonGone        = "gone"       // the sender had gone before its request was produced
	reasonTruncated   = "truncated"  // the connection ended within a frame
	reasonMalformed   = "malformed"  // a frame that is not what Avro's IPC says
	reasonProtocol    = "protocol"   // the sender's protocol is not Flume's
	reasonHTTP        = "http"       // what follows is what a wrong protocol looked like
	reasonTLS         = "tls"
	reasonZlib        = "zlib"
	reasonThrift      = "thrift"
	reasonProxy       = "proxy"
	reasonText        = "text"
	reasonUnknown     = "unknown"
)

var reasons = []string{
	reasonFrameBytes, reasonListLength, reasonBatchEvents, reasonHeaders, reasonHeaderBytes, reasonBodyBytes,
	reasonConnections, reasonPerAddress, reasonMemory, reasonSlow, reasonLate, reasonGone, reasonTruncated,
	reasonMalformed, reasonProtocol, reasonHTTP, reasonTLS, reasonZlib, reasonThrift, reasonProxy, reasonText,
	reasonUnknown,
}

// refusal is why a connection is closed, with its reason for metrics and throttling.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// LimitError is a frame that broke a limit.
type LimitError struct {
	What   string // what is limited, as in "event body bytes"
	Option string // the option that sets the limit
	Value  int64
	Limit  int64
}

// Error names value, limit and option.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%d %s are more than %d: send less at once, or raise %s", e.Value, e.What, e.Limit, e.Option)
}

func tooMuch(reason, what, option string, value int64, limit int) error {
	return &refusal{reason, &LimitError{What: what, Option: option, Value: value, Limit: int64(limit)}}
}

func malformed(format string, args ...any) error {
	return &refusal{reasonMalformed, fmt.Errorf(format, args...)}
}

var (
	errStopping = errors.New("the receiver is stopping")
	errLate     = errors.New("the request is older than ack-timeout: Kafka was away or slow")
)

package receiver

import "fmt"

// Reasons for which any receiver closes a connection or does not take it: values of the label reason. A receiver adds
// those of its own protocol.
const (
	ReasonFrameBytes  = "frame_bytes"
	ReasonBatchEvents = "batch_events"
	ReasonHeaders     = "headers"
	ReasonHeaderBytes = "header_bytes"
	ReasonBodyBytes   = "body_bytes"
	ReasonConnections = "connections"
	ReasonPerAddress  = "connections_per_address"
	ReasonFiltered    = "ip_filter"  // --ip-filter denies the address
	ReasonMemory      = "memory"     // no room in the bytes in flight before ack-timeout
	ReasonSlow        = "slow_frame" // the request was not received within --ack-timeout of its first byte
	ReasonLate        = "late"       // a frame was ready for Kafka only after ack-timeout
	ReasonGone        = "gone"       // the sender had gone before its request was produced
	ReasonTruncated   = "truncated"  // the connection ended in the middle of a request
	ReasonMalformed   = "malformed"  // a frame that is not what the protocol says
	ReasonTLS         = "tls"        // TLS where none is spoken, none where it must be, or a handshake that failed
	ReasonZlib        = "zlib"       // a deflated stream where none is taken, or a broken one
	ReasonBomb        = "inflate"    // a stream that inflates to more than is believed
	ReasonHTTP        = "http"       // what follows is what a wrong protocol looked like
	ReasonAvro        = "avro"
	ReasonThrift      = "thrift"
	ReasonProxy       = "proxy"
	ReasonText        = "text"
	ReasonUnknown     = "unknown"
)

// Reasons is all of the above.
func Reasons() []string {
	return []string{
		ReasonFrameBytes, ReasonBatchEvents, ReasonHeaders, ReasonHeaderBytes, ReasonBodyBytes, ReasonConnections,
		ReasonPerAddress, ReasonFiltered, ReasonMemory, ReasonSlow, ReasonLate, ReasonGone, ReasonTruncated,
		ReasonMalformed, ReasonTLS, ReasonZlib, ReasonBomb, ReasonHTTP, ReasonAvro, ReasonThrift, ReasonProxy,
		ReasonText, ReasonUnknown,
	}
}

// RejectError is why a connection is closed or not taken, with its reason for metrics and the throttling of logs.
type RejectError struct {
	Reason string
	Err    error
}

// Error is Err's text.
func (r *RejectError) Error() string { return r.Err.Error() }

// Unwrap is Err.
func (r *RejectError) Unwrap() error { return r.Err }

// Reject is a RejectError with a text.
func Reject(reason, format string, args ...any) error {
	return &RejectError{reason, fmt.Errorf(format, args...)}
}

// Malformed refuses bytes that are not what the protocol says.
func Malformed(format string, args ...any) error { return Reject(ReasonMalformed, format, args...) }

// LimitError is a request that broke a limit.
type LimitError struct {
	What   string // what is limited, as in "event body bytes"
	Option string // the option that sets the limit
	Value  int64
	Limit  int64
}

// Error names value, limit and option.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%d %s exceed the limit of %d: send smaller requests, or raise %s", e.Value, e.What, e.Limit, e.Option)
}

// LimitExceeded refuses what breaks a limit.
func LimitExceeded(reason, what, option string, value int64, limit int) error {
	return &RejectError{reason, &LimitError{What: what, Option: option, Value: value, Limit: int64(limit)}}
}

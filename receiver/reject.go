package receiver

import (
	"fmt"

	"github.com/sluice-etl/sluice/internal/option"
)

// Reasons for which any receiver closes or does not accept a connection, as values of the label reason. A receiver adds
// those of its own protocol.
const (
	ReasonFrameBytes  = "frame_bytes"
	ReasonBatchEvents = "batch_events"
	ReasonHeaders     = "headers"
	ReasonHeaderBytes = "header_bytes"
	ReasonBodyBytes   = "body_bytes"
	ReasonConnections = "connections"
	ReasonPerAddress  = "connections_per_address"
	ReasonFiltered    = "ip_filter"  // a rule denies the address
	ReasonMemory      = "memory"     // no memory left in the bytes in flight before ack-timeout
	ReasonSlow        = "slow_frame" // the request was not received within ack-timeout of its first byte
	ReasonLate        = "late"       // a request could be produced only after ack-timeout
	ReasonGone        = "gone"       // the sender closed the connection before its request was produced
	ReasonTruncated   = "truncated"  // the connection ended in the middle of a request
	ReasonMalformed   = "malformed"  // bytes that the protocol does not allow
	ReasonTLS         = "tls"        // TLS although it is not enabled, no TLS although it is required, or a failed handshake
	ReasonZlib        = "zlib"       // a zlib stream although none is accepted, or a corrupt one
	ReasonBomb        = "inflate"    // a stream that inflates beyond the allowed ratio
	ReasonHTTP        = "http"       // this and the following: the wrong protocol that the first bytes look like
	ReasonAvro        = "avro"
	ReasonThrift      = "thrift"
	ReasonProxy       = "proxy"
	ReasonText        = "text"
	ReasonUnknown     = "unknown"
)

// Reasons returns all of these reasons.
func Reasons() []string {
	return []string{
		ReasonFrameBytes, ReasonBatchEvents, ReasonHeaders, ReasonHeaderBytes, ReasonBodyBytes, ReasonConnections,
		ReasonPerAddress, ReasonFiltered, ReasonMemory, ReasonSlow, ReasonLate, ReasonGone, ReasonTruncated,
		ReasonMalformed, ReasonTLS, ReasonZlib, ReasonBomb, ReasonHTTP, ReasonAvro, ReasonThrift, ReasonProxy,
		ReasonText, ReasonUnknown,
	}
}

// RejectError is why a connection is closed or not accepted, with its reason for metrics and for throttling logs.
type RejectError struct {
	Reason string
	Err    error
}

// Error returns Err's text.
func (r *RejectError) Error() string { return r.Err.Error() }

// Unwrap returns Err.
func (r *RejectError) Unwrap() error { return r.Err }

// Reject returns a RejectError with a text.
func Reject(reason, format string, args ...any) error {
	return &RejectError{reason, fmt.Errorf(format, args...)}
}

// Malformed rejects bytes that the protocol does not allow.
func Malformed(format string, args ...any) error { return Reject(ReasonMalformed, format, args...) }

// LimitError is a limit that a request exceeded.
type LimitError struct {
	What   string // what is limited, as in "event body bytes"
	Option string // the name of the option that sets the limit
	Value  int64
	Limit  int64
}

// Error names value, limit and option.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%d %s exceed the limit of %d: send smaller requests, or raise %s", e.Value, e.What, e.Limit, option.Ref(e.Option))
}

// LimitExceeded rejects what exceeds a limit, which the option of that name sets.
func LimitExceeded(reason, what, name string, value int64, limit int) error {
	return &RejectError{reason, &LimitError{What: what, Option: name, Value: value, Limit: int64(limit)}}
}

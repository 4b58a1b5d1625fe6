package http

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// held is the memory of a request beside its frame: buffers for reading and writing, 4 KiB each, and as much again if a
// charset is converted to UTF-8.
const held = 16 << 10

// ServeHTTP handles one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	c := q.Context().Value(connKey{}).(*netserver.ServedConn)
	f, err := r.receive(c, w, q)
	if err != nil {
		reject(c, w, err)
		return
	}
	if err = f.Append(); err == nil {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		err = http.NewResponseController(w).Flush()
	}
	f.End(err)
	if err != nil { // has no effect if 200 was written already
		unavailable(w, unacknowledged(err))
	}
}

// unacknowledged returns the reply for events that Kafka may not have. It names ack-timeout only if that was the
// reason.
func unacknowledged(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "not acknowledged by Kafka within the ack timeout; retry: " + err.Error()
	}
	return "not acknowledged by Kafka; retry: " + err.Error()
}

// receive reads the request and decodes its events.
func (r *Receiver) receive(c *netserver.ServedConn, w http.ResponseWriter, q *http.Request) (netserver.Request, error) {
	if q.Method != http.MethodPost && q.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		return netserver.Request{}, receiver.Reject(reasonMethod, "the method is %.20q: must be POST", q.Method)
	}
	if coding := q.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		return netserver.Request{}, receiver.Reject(reasonEncoding, "the Content-Encoding is %.40q: send the body without an encoding", coding)
	}
	if err := r.cfg.CheckFrame(q.ContentLength); err != nil {
		return netserver.Request{}, err
	}
	body, err := inUTF8(q)
	if err != nil {
		return netserver.Request{}, err
	}
	f, err := c.Begin(c.First(), held)
	if err != nil {
		return netserver.Request{}, err
	}
	if err := r.read(f.Frame, body); err != nil {
		f.Release()
		return netserver.Request{}, c.Explain(err)
	}
	c.Metrics().Received(len(f.Bytes))
	err = decode(f.Frame, &r.cfg.Limits)
	if err == nil {
		err = f.Decompress(&r.cfg.Limits)
	}
	if err != nil {
		f.Release()
		return netserver.Request{}, err
	}
	return f, nil
}

// inUTF8 returns the body, converted to UTF-8 if it is UTF-16 or UTF-32: big-endian unless it begins with a byte order
// mark, as in Java.
func inUTF8(q *http.Request) (io.Reader, error) {
	charset := charsetOf(q.Header.Get("Content-Type"))
	switch strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(charset), "-", ""), "_", "") {
	case "", "utf8":
		return q.Body, nil
	case "utf16":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Reader(q.Body), nil
	case "utf32":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM).NewDecoder().Reader(q.Body), nil
	}
	return nil, receiver.Reject(reasonCharset, "the charset is %.40q: must be UTF-8, UTF-16 or UTF-32", charset)
}

// charsetOf returns the charset that a Content-Type names, or "". As in Flume's own server, nothing else of a
// Content-Type matters, and one that cannot be parsed names no charset.
func charsetOf(contentType string) string {
	for parameter := range strings.SplitSeq(contentType, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "charset") {
			return strings.Trim(strings.TrimSpace(value), "\"'")
		}
	}
	return ""
}

// read reads the body into the frame. Memory is charged as the body arrives.
func (r *Receiver) read(f *receiver.Frame, body io.Reader) error {
	for {
		if len(f.Bytes) == cap(f.Bytes) {
			if err := f.Grow(); err != nil {
				return err
			}
		}
		n, err := body.Read(f.Bytes[len(f.Bytes):cap(f.Bytes)])
		f.Bytes = f.Bytes[:len(f.Bytes)+n]
		if err := r.cfg.CheckFrame(int64(len(f.Bytes))); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reject replies to a request that was not read completely or is not accepted, and closes the connection, because the
// next bytes on it may be the rest of the body.
func reject(c *netserver.ServedConn, w http.ResponseWriter, err error) {
	var rejected *receiver.RejectError
	var network net.Error
	switch {
	case errors.Is(err, netserver.ErrStopping), errors.Is(err, context.Canceled):
		w.Header().Set("Connection", "close")
		unavailable(w, "the receiver is stopping; retry")
		return
	case errors.As(err, &rejected):
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network) && !errors.Is(err, os.ErrDeadlineExceeded):
		c.Reporter().Ended(c.RemoteAddr(), err)
		panic(http.ErrAbortHandler) // the sender closed the connection; net/http closes our side
	default: // net/http's own error for a malformed chunked body
		rejected = &receiver.RejectError{Reason: receiver.ReasonMalformed, Err: err}
	}
	c.Reporter().Rejected(c.RemoteAddr(), rejected)
	w.Header().Set("Connection", "close")
	var limit *receiver.LimitError
	status := http.StatusInternalServerError
	switch {
	case errors.As(rejected, &limit):
		status = http.StatusRequestEntityTooLarge
	case rejected.Reason == receiver.ReasonMalformed:
		status = http.StatusBadRequest
	case rejected.Reason == reasonMethod:
		status = http.StatusMethodNotAllowed
	case rejected.Reason == reasonEncoding:
		status = http.StatusUnsupportedMediaType
	case rejected.Reason == receiver.ReasonSlow:
		status = http.StatusRequestTimeout
	case rejected.Reason == receiver.ReasonLate, rejected.Reason == receiver.ReasonMemory:
		unavailable(w, rejected.Error())
		return
	default:
		c.Metrics().SystemError()
	}
	http.Error(w, rejected.Error(), status)
}

// unavailable replies that the same request may be accepted later.
func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}

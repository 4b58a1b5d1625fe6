package http

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// maxHead bounds a request's line and header fields. net/http adds 4 KiB.
const maxHead = 12 << 10

// Receiver is an HTTP source: it listens, gives events to the Appender, and replies 200 once Kafka has them.
type Receiver struct {
	*netserver.Server
	cfg   Config
	conns *netserver.ConnListener
	http  http.Server
}

// connKey finds a request's connection in its context.
type connKey struct{}

// New returns a receiver. cfg must be valid. Nothing is started or opened.
func New(cfg Config, rt receiver.Runtime) *Receiver {
	log := rt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{cfg: cfg}
	cfg.Reasons = []string{reasonMethod, reasonCharset, reasonEncoding}
	r.Server = netserver.New(cfg.Config, r.serve, rt)
	r.conns = netserver.NewConnListener(r.Server)
	r.http = http.Server{
		Handler:                      r,
		ReadHeaderTimeout:            rt.AckTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxHeaderBytes:               maxHead,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			if h, ok := c.(*netserver.ServedConn); ok && s == http.StateIdle {
				h.Idle()
			}
		},
	}
	return r
}

// Run serves until ctx is done, and returns nil then; it stops as P33 says. It may be called once.
func (r *Receiver) Run(ctx context.Context) error {
	var serving sync.WaitGroup
	serving.Go(func() { _ = r.http.Serve(r.conns) }) // returns when r.conns is closed, and only then
	err := r.Server.Run(ctx)
	_ = r.conns.Close()
	serving.Wait()
	return err
}

// serve passes a connection to net/http once its layers are removed and the first byte of a request has arrived.
func (r *Receiver) serve(c *netserver.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(r.cfg.IdleTimeout)); err != nil {
		return err
	}
	head := make([]byte, 1)
	if _, err := c.Read(head); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil // no request within IdleTimeout
		}
		return err
	}
	if head[0] == 0x16 {
		return receiver.Reject(receiver.ReasonTLS, "the connection uses TLS, which is not enabled: set %s, or send to http://", option.Ref("http.tls-cert"))
	}
	if head[0] < 'A' || head[0] > 'Z' {
		return receiver.Reject(receiver.ReasonUnknown, "the connection begins with %#02x, which is not an HTTP method: expected POST with Flume's JSON", head[0])
	}
	return r.conns.Serve(c, head)
}

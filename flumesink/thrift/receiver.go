package thrift

import (
	"context"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Receiver is a Thrift source: it listens, gives events to the Appender, and answers OK when they are safe.
type Receiver struct {
	cfg    Config
	server *netserver.Server
}

// New makes a receiver. cfg must be valid; log and reg may be nil. Nothing is started and nothing is opened.
func New(cfg Config, appender receiver.Appender, frames *receiver.Frames, log *slog.Logger, reg prometheus.Registerer) *Receiver {
	r := &Receiver{cfg: cfg}
	cfg.Reasons = []string{reasonSASL}
	r.server = netserver.New(cfg.Config, r.serve, appender, frames, log, reg)
	return r
}

// Listen opens the port, as netserver.Server does.
func (r *Receiver) Listen(ctx context.Context) (net.Addr, error) { return r.server.Listen(ctx) }

// Close gives up a port that Listen opened, where Run was never called.
func (r *Receiver) Close() error { return r.server.Close() }

// Run serves until ctx ends, and returns nil then; it stops as P33 says. It may be called once.
func (r *Receiver) Run(ctx context.Context) error { return r.server.Run(ctx) }

// serve reads frames until the connection ends.
func (r *Receiver) serve(lc *netserver.Conn) error {
	c := &conn{Conn: lc, limits: &r.cfg.Limits, in: input{conn: lc, limits: &r.cfg.Limits}}
	for {
		f, err := c.next()
		if err != nil {
			return err
		}
		if err := c.handle(f); err != nil {
			return err
		}
	}
}

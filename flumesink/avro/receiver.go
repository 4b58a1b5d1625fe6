package avro

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Receiver is an Avro source: it listens, gives events to the Appender, and answers OK when they are safe.
type Receiver struct {
	cfg       Config
	server    *netserver.Server
	protocols *protocols
	readers   sync.Pool // of *bufio.Reader
}

// New makes a receiver. cfg must be valid; log and reg may be nil. Nothing is started and nothing is opened.
func New(cfg Config, appender receiver.Appender, frames *receiver.Frames, log *slog.Logger, reg prometheus.Registerer) *Receiver {
	r := &Receiver{cfg: cfg, protocols: newProtocols()}
	cfg.Reasons = []string{reasonListLength, reasonProtocol}
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
	c := &conn{Conn: lc, r: r, in: input{conn: lc, cfg: &r.cfg, pool: &r.readers}}
	defer c.in.idle()
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

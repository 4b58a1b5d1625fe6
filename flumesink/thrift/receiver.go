package thrift

import (
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Receiver is a Thrift source: it listens, gives events to the Appender, and replies OK once Kafka has them.
type Receiver struct {
	*netserver.Server
	cfg Config
}

// New returns a receiver. cfg must be valid. Nothing is started or opened.
func New(cfg Config, rt receiver.Runtime) *Receiver {
	r := &Receiver{cfg: cfg}
	cfg.Reasons = []string{reasonSASL}
	r.Server = netserver.New(cfg.Config, r.serve, rt)
	return r
}

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

package avro

import (
	"sync"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// Receiver is an Avro source: it listens, gives events to the Appender, and replies OK once Kafka has them.
type Receiver struct {
	*netserver.Server
	cfg       Config
	protocols *protocols
	readers   sync.Pool // of *bufio.Reader
}

// New returns a receiver. cfg must be valid. Nothing is started or opened.
func New(cfg Config, rt receiver.Runtime) *Receiver {
	r := &Receiver{cfg: cfg, protocols: newProtocols()}
	cfg.Reasons = []string{reasonListLength, reasonProtocol}
	r.Server = netserver.New(cfg.Config, r.serve, rt)
	return r
}

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

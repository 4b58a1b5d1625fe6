package netcat

import (
	"bytes"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/udp"
)

// DefaultUDPConfig is the defaults of the receiver of datagrams; it listens nowhere.
func DefaultUDPConfig() udp.Config {
	return udp.DefaultConfig("netcat_udp", "--netcat-udp-listen", "datagrams, as Flume's netcatudp source does")
}

// NewUDP makes a receiver of datagrams: each is an event up to its first line's end, and what follows that is left out,
// as in Flume.
func NewUDP(cfg udp.Config, rt receiver.Runtime) *udp.Receiver {
	return udp.New(cfg, firstLines, rt)
}

func firstLines(f *receiver.Frame) error {
	for i := range f.Events {
		if at := bytes.IndexByte(f.Events[i].Body, '\n'); at >= 0 {
			f.Events[i].Body = f.Events[i].Body[:at:at]
		}
	}
	return nil
}

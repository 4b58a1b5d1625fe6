package netcat

import (
	"bytes"

	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/receiver/udp"
)

// DefaultUDPConfig returns the defaults of the UDP receiver, without an address.
func DefaultUDPConfig() udp.Config {
	return udp.DefaultConfig("netcat_udp", "datagrams, as Flume's netcatudp source does")
}

// NewUDP returns a receiver of datagrams. Each is an event up to the end of its first line, and the rest is dropped, as
// in Flume.
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

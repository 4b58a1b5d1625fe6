package netcat

import (
	"bytes"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/datagram"
)

// DefaultUDPConfig is the defaults of the receiver of datagrams; it listens nowhere.
func DefaultUDPConfig() datagram.Config {
	return datagram.DefaultConfig("netcat_udp", "--netcat-udp-listen", "datagrams, as Flume's netcatudp source does")
}

// NewUDP makes a receiver of datagrams: each is an event up to its first line's end, and what follows that is left out,
// as in Flume.
func NewUDP(cfg datagram.Config, appender flumesink.Appender, frames *flumesink.Frames, log *slog.Logger, reg prometheus.Registerer) *datagram.Receiver {
	return datagram.New(cfg, firstLines, appender, frames, log, reg)
}

func firstLines(f *flumesink.Frame) error {
	for i := range f.Events {
		if at := bytes.IndexByte(f.Events[i].Body, '\n'); at >= 0 {
			f.Events[i].Body = f.Events[i].Body[:at:at]
		}
	}
	return nil
}

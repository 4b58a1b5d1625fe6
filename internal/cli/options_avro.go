package cli

import (
	"time"

	"github.com/sluice-etl/sluice/flumesink"
	"github.com/sluice-etl/sluice/flumesink/avro"
)

// ReceiverOptions say where events come in, and what a sender may ask of us.
type ReceiverOptions struct {
	AvroListen            string `group:"receivers" default:"${avro_listen}" placeholder:"HOST:PORT" help:"Address of the Avro receiver (default ${avro_listen}); empty turns it off."`
	ProduceOptions        `embed:""`
	MaxBytesInFlight      Bytes `group:"receivers" default:"256MiB" help:"Memory of events on the way to Kafka, over all receivers."`
	AvroMaxFrameBytes     Bytes `group:"receivers" default:"64MiB" help:"Bytes of a request."`
	AvroMaxListLength     int   `group:"receivers" default:"16384" help:"Buffers of a request."`
	AvroMaxBatchEvents    int   `group:"receivers" default:"100000" help:"Events of a request."`
	AvroMaxHeaders        int   `group:"receivers" default:"256" help:"Headers of an event."`
	AvroMaxHeaderBytes    Bytes `group:"receivers" default:"64KiB" help:"Bytes of an event's headers."`
	AvroMaxBodyBytes      Bytes `group:"receivers" default:"16MiB" help:"Bytes of an event's body. One that only Kafka finds too large becomes a dead letter."`
	AvroMaxConnections    int   `group:"receivers" default:"10000" help:"Open connections."`
	AvroMaxConnPerAddress int   `group:"receivers" name:"avro-max-connections-per-address" default:"1000" help:"Open connections of one address."`
	AvroMaxPipelined      int   `group:"receivers" default:"8" help:"Requests of one connection under way at once."`
}

func (o ReceiverOptions) admission() flumesink.Config {
	c := flumesink.DefaultConfig()
	c.MaxBytesInFlight = int64(o.MaxBytesInFlight)
	return c
}

func (o ReceiverOptions) avro(shutdown time.Duration) avro.Config {
	c := avro.DefaultConfig()
	c.Listen, c.AckTimeout, c.ShutdownTimeout = o.AvroListen, o.AckTimeout, shutdown
	c.MaxFrameBytes, c.MaxListLength, c.MaxBatchEvents = int(o.AvroMaxFrameBytes), o.AvroMaxListLength, o.AvroMaxBatchEvents
	c.MaxHeaders, c.MaxHeaderBytes, c.MaxBodyBytes = o.AvroMaxHeaders, int(o.AvroMaxHeaderBytes), int(o.AvroMaxBodyBytes)
	c.MaxConnections, c.MaxConnectionsPerAddress = o.AvroMaxConnections, o.AvroMaxConnPerAddress
	c.MaxPipelined = o.AvroMaxPipelined
	return c
}

package cli

import (
	"time"

	"github.com/sluice-etl/sluice/receiver"
	httpreceiver "github.com/sluice-etl/sluice/receiver/http"
)

// HTTPOptions say where events come in over HTTP, as Flume's HTTP source takes them.
type HTTPOptions struct {
	HTTPListen string        `group:"receivers" name:"http-listen" placeholder:"HOST:PORT" help:"Address of the HTTP receiver, which takes Flume's JSON by POST (default off)."`
	HTTPIdle   time.Duration `group:"receivers" name:"http-idle-timeout" default:"75s" help:"How long a connection without a request stays open: longer than a load balancer in front keeps it."`
	HTTPMax    LimitOptions  `embed:"" prefix:"http-max-"`
	HTTPConns  AddressLimits `embed:"" prefix:"http-max-"`
	HTTPTLS    TLSOptions    `embed:"" prefix:"http-tls-"`
}

// AddressLimits bound the connections of a receiver whose requests follow each other.
type AddressLimits struct {
	Connections int `group:"receivers" default:"10000" help:"Open connections."`
	PerAddress  int `group:"receivers" name:"connections-per-address" default:"1000" help:"Open connections of one address."`
}

func (o ReceiverOptions) http(filter *receiver.IPFilter, shutdown time.Duration) httpreceiver.Config {
	c := httpreceiver.DefaultConfig()
	o.common(&c.Config, filter, shutdown)
	o.HTTPMax.apply(&c.Limits)
	c.KeepPacked = o.GunzipBodies == "off"
	c.MaxConnections, c.MaxConnectionsPerAddress = o.HTTPConns.Connections, o.HTTPConns.PerAddress
	o.HTTPTLS.apply(&c.TLS)
	c.Listen, c.IdleTimeout = o.HTTPListen, o.HTTPIdle
	return c
}

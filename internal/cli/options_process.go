package cli

import (
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/status"
)

// ProcessOptions are the options of commands that run until they are stopped.
type ProcessOptions struct {
	AdminListen     string        `group:"process" common:"Web page, metrics and probes." default:"127.0.0.1:9414" placeholder:"HOST:PORT" help:"Address of the web page, /metrics, /healthz, /readyz and /api/v1/status (default 127.0.0.1:9414); off disables it."`
	ShutdownTimeout time.Duration `group:"process" default:"20s" help:"Grace period for a stop. A second signal ends the process at once."`
	LogOptions      `embed:""`
}

func (o ProcessOptions) status() status.Config {
	return status.Config{Listen: o.AdminListen, Render: withFlags}
}

// groups are the headings of --help, in their order.
var groups = []kong.Group{
	{Key: "global", Title: "Global"},
	{Key: "query", Title: "Query"},
	{Key: "receivers", Title: "Receivers"},
	{Key: "kafka", Title: "Kafka"},
	{Key: "mysql", Title: "MySQL"},
	{Key: "batches", Title: "Batches"},
	{Key: "process", Title: "Process"},
	{Key: "standalone", Title: "Standalone"},
	{Key: "send", Title: "Sending"},
}

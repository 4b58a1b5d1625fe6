package cli

import (
	"time"

	"github.com/sluice-etl/sluice/receiver/filewatch"
	"github.com/sluice-etl/sluice/receiver/socket"
)

// FileOptions say which servers of lines are connected to, and which folders are watched for files.
type FileOptions struct {
	ConnectSocket []string      `group:"receivers" placeholder:"HOST:PORT" help:"A server to connect to, each line of which is an event; give it again for each further one."`
	SocketMaxLine Bytes         `group:"receivers" name:"socket-max-line-bytes" default:"1MiB" help:"Bytes of a line of such a server; a longer one is left out, logged and counted."`
	WatchDir      []string      `group:"receivers" placeholder:"DIR" help:"A folder whose new files are read, line by line; give it again for each further one. Files are moved in whole and not changed afterwards."`
	WatchState    string        `group:"receivers" placeholder:"DIR" help:"Where it is kept how far the files in --watch-dir are read; needed with it, and one process's own."`
	WatchInterval time.Duration `group:"receivers" default:"1s" help:"How often a watched folder is looked at."`
	WatchBatch    int           `group:"receivers" default:"5000" help:"Lines of a file given to Kafka at once: what may come twice after the process was killed."`
	WatchMaxLine  Bytes         `group:"receivers" name:"watch-max-line-bytes" default:"1MiB" help:"Bytes of a line; a longer one is left out, logged and counted."`
}

func (o FileOptions) socket(ack, shutdown time.Duration) socket.Config {
	c := socket.DefaultConfig()
	c.Servers, c.MaxLineBytes = o.ConnectSocket, int(o.SocketMaxLine)
	c.AckTimeout, c.ShutdownTimeout = ack, shutdown
	return c
}

func (o FileOptions) watch(ack, shutdown time.Duration) filewatch.Config {
	c := filewatch.DefaultConfig()
	c.Dirs, c.State, c.Interval, c.Batch, c.MaxLineBytes = o.WatchDir, o.WatchState, o.WatchInterval, o.WatchBatch, int(o.WatchMaxLine)
	c.AckTimeout, c.ShutdownTimeout = ack, shutdown
	return c
}

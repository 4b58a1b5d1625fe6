package cli

import (
	"time"

	"github.com/sluice-etl/sluice/receiver/filewatch"
	"github.com/sluice-etl/sluice/receiver/socket"
)

// FileOptions configure the socket receiver, which connects to servers of lines, and the file receiver, which watches
// directories.
type FileOptions struct {
	ConnectSocket []string      `group:"receivers" placeholder:"HOST:PORT" help:"Server to connect to; each line that it sends is an event. Repeat the option for further servers."`
	SocketMaxLine Bytes         `group:"receivers" name:"socket-max-line-bytes" default:"1MiB" help:"Longest line of such a server; a longer one is skipped, logged and counted."`
	WatchDir      []string      `group:"receivers" common:"Directory of files to read." placeholder:"DIR" help:"Directory whose new files are read line by line. Move files in whole and do not change them afterwards. Repeat the option for further directories."`
	WatchState    string        `group:"receivers" placeholder:"DIR" help:"Directory for --watch-dir progress. Required with --watch-dir; one process per directory."`
	WatchInterval time.Duration `group:"receivers" default:"1s" help:"Interval at which a watched directory is scanned."`
	WatchBatch    int           `group:"receivers" default:"5000" help:"Lines of a file produced to Kafka at once. This many may be duplicated after a crash."`
	WatchMaxLine  Bytes         `group:"receivers" name:"watch-max-line-bytes" default:"1MiB" help:"Longest line of a file; a longer one is skipped, logged and counted."`
}

func (o FileOptions) socket() socket.Config {
	c := socket.DefaultConfig()
	c.Servers, c.MaxLineBytes = o.ConnectSocket, int(o.SocketMaxLine)
	return c
}

func (o FileOptions) watch() filewatch.Config {
	c := filewatch.DefaultConfig()
	c.Dirs, c.State, c.Interval, c.Batch, c.MaxLineBytes = o.WatchDir, o.WatchState, o.WatchInterval, o.WatchBatch, int(o.WatchMaxLine)
	return c
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-etl/sluice/receiver/netserver"
)

// broker is the embedded Kafka: one kfake node with its log in a directory, without a retention limit, because the tables
// are rebuilt from it after each start.
type broker struct {
	cluster *kfake.Cluster
	addr    string
	dir     string
}

func startBroker(ctx context.Context, address, dir string, log *slog.Logger) (*broker, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, netserver.ListenError("--kafka-listen", address, err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return l, nil }),
		kfake.DataDir(dir),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1", "log.retention.bytes": "-1"}),
		kfake.WithLogger(brokerLog{log.With("component", "broker")}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded broker in %s: %w", dir, err), l.Close())
	}
	return &broker{cluster: cluster, addr: l.Addr().String(), dir: dir}, nil
}

// size returns the bytes of all files of the log. A file that disappears meanwhile counts as 0.
func (b *broker) size() int64 {
	var n int64
	_ = filepath.WalkDir(b.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

func (b *broker) close() { b.cluster.Close() }

// brokerLog logs kfake's warnings and errors; its lines for each request are of no use to users.
type brokerLog struct{ log *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn || level == kfake.LogLevelNone {
		return
	}
	l.log.Warn("Embedded broker", "text", fmt.Sprintf(format, args...))
}

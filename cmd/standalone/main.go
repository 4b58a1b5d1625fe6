// Command standalone is etl with an embedded broker and an embedded database in one process, for trying out and for
// tests. It needs only Go.
//
//	go run ./cmd/standalone --demo
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/internal/cli"
	"github.com/sluice-etl/sluice/status"
)

func main() { os.Exit(run(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})) }

func run(args []string, s cli.Streams) int {
	ctx, release := cli.UntilSignal(context.Background(), os.Exit)
	defer release()
	var o options
	k, err := program(&o).Parse(args, s)
	if err == nil {
		err = o.run(ctx, k, s)
	}
	return cli.Report(s.Err, "standalone", err)
}

// run starts the embedded servers, then the same process as etl run, and stops them in the opposite order.
func (o *options) run(ctx context.Context, k *kong.Context, s cli.Streams) (err error) {
	cfg, own, err := o.config(k)
	if err != nil {
		return err
	}
	log := o.Logger(s.Err)
	if o.Demo && cli.IsTerminal(s.Out) && !given(k, "log-level") {
		log = quieter(s.Err)
	}
	dir := (*folder)(nil)
	if own.broker {
		if dir, err = openFolder(o.DataDir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, dir.close()) }()
		b, err := startBroker(ctx, o.KafkaListen, dir.log(), log)
		if err != nil {
			return err
		}
		defer b.close()
		cfg.Kafka.Brokers = []string{b.addr}
		cfg.Sections = append(cfg.Sections, b.section())
	}
	if own.database {
		db, err := startDatabase(ctx, o.MysqlListen)
		if err != nil {
			return err
		}
		defer db.close()
		cfg.Pool.DSN = db.dsn()
	}
	return o.work(ctx, cfg, own, log, s, dir)
}

// work runs the process, and the demo once the process listens.
func (o *options) work(ctx context.Context, cfg app.Config, own embedded, log *slog.Logger, s cli.Streams, dir *folder) error {
	listening := make(chan app.Addresses, 1)
	cfg.Listening = func(at app.Addresses) {
		o.welcome(s.Out, cfg, own, at, dir)
		listening <- at
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return app.Run(ctx, cfg, log, prometheus.NewRegistry()) })
	if o.Demo {
		g.Go(func() error {
			select {
			case at := <-listening:
				return newDemo(o, cfg, at, log, s.Out).run(ctx)
			case <-ctx.Done():
				return nil
			}
		})
	}
	return g.Wait()
}

// welcome prints the addresses of the servers and what is counted.
func (o *options) welcome(w io.Writer, cfg app.Config, own embedded, at app.Addresses, dir *folder) {
	fmt.Fprintln(w, "Sluice standalone: for trying out and for tests.")
	if at.Avro != nil {
		fmt.Fprintf(w, "  Flume's Avro  %s    try: go run ./cmd/etl send --to avro://%s README.md\n", at.Avro, at.Avro)
	}
	if addr := at.Receivers["thrift"]; addr != nil {
		fmt.Fprintf(w, "  Thrift        %s    try: go run ./cmd/etl send --to thrift://%s README.md\n", addr, addr)
	}
	if dir != nil {
		fmt.Fprintf(w, "  Kafka         %s    embedded; its log is in %s%s\n", cfg.Kafka.Brokers[0], dir.path, dir.fate())
	} else {
		fmt.Fprintf(w, "  Kafka         %s\n", cfg.Kafka.Brokers[0])
	}
	if own.database {
		host, port := hostPort(cfg.Pool.DSN)
		fmt.Fprintf(w, "  MySQL         mysql -h %s -P %s -u root %s    embedded, in memory; rebuilt from Kafka's log after a restart\n", host, port, databaseName)
	}
	if at.Admin != nil {
		fmt.Fprintf(w, "  Web page      http://%s/\n", at.Admin)
	}
	for _, t := range cfg.Plan.Tables() {
		fmt.Fprintf(w, "  Counting      %s into %s\n", o.Format, signature(&t))
	}
	fmt.Fprintln(w, "  Ctrl-C        stops the process")
}

// section shows the size of the log, which is never truncated.
func (b *broker) section() status.Section {
	return status.Section{Name: "embedded_broker", Func: func() any {
		return map[string]any{"address": b.addr, "folder": b.dir, "bytes": b.size(), "retention": "none"}
	}}
}

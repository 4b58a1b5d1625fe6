package main

import (
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/internal/cli"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/row"
)

// The default queries.
const (
	wordQuery = "INSERT INTO streaming_itemcount SELECT word AS item, COUNT(*) AS `count` FROM events GROUP BY item"
	demoQuery = "INSERT INTO hits SELECT status, COUNT(*) AS hits, SUM(bytes) AS bytes, MAX(ts) AS newest FROM events GROUP BY status"
)

type options struct {
	cli.RunOptions        `embed:""`
	cli.StandaloneOptions `embed:""`
}

// Help shows examples.
func (options) Help() string {
	return `Without options it counts words into streaming_itemcount(item, count). --kafka-brokers and --mysql-dsn use a real server instead of an embedded one. All options of etl run work.

Examples:

	go run ./cmd/standalone --demo
	go run ./cmd/standalone --data-dir /var/tmp/sluice
	go run ./cmd/standalone --format combined --query 'INSERT INTO hits SELECT path, COUNT(*) AS hits FROM events GROUP BY path'
	go run ./cmd/standalone --mysql-dsn 'etl:secret@tcp(127.0.0.1:3306)/stats'`
}

func program(o *options) cli.Program {
	return cli.Program{
		Name:        "standalone",
		Description: "Sluice with an embedded broker and database in one process, for trying out and for tests.",
		Grammar:     o,
		Vars: map[string]string{
			"job": "standalone", "format": "", "avro_listen": "127.0.0.1:41414",
			"kafka_brokers": "", "kafka_brokers_help": "default: the embedded broker",
		},
	}
}

// unbound is the placeholder for the address of an embedded server until it listens.
const unbound = "127.0.0.1:1"

// embedded tells which servers are embedded, because no real one is configured.
type embedded struct{ broker, database bool }

// config returns the configuration of etl run, with embedded servers where no real one is configured.
func (o *options) config(k *kong.Context) (cfg app.Config, own embedded, err error) {
	if len(o.KafkaBrokers) == 0 {
		own.broker = true
		o.KafkaBrokers = []string{unbound}
	}
	if o.MysqlDSN == "" && o.MysqlDSNFile == "" && o.MysqlHost == "" {
		own.database = true
		o.MysqlDSN = embeddedDSN(unbound)
		o.Start = "earliest" // its checkpoints were lost with the last process
	}
	query, format := wordQuery, "words"
	if o.Demo {
		if o.AvroListen == "" {
			return cfg, own, cli.Usage("--avro-listen is empty or off, must be an address, because the demo sends to the Avro receiver")
		}
		query, format = demoQuery, "combined"
	}
	if o.Format == "" && o.LogFormatString == "" && o.AvroSchema == "" {
		o.Format = format
	}
	cfg, err = o.Config(k, query)
	return cfg, own, err
}

// given reports whether the flag is on the command line.
func given(k *kong.Context, flag string) bool {
	return slices.ContainsFunc(k.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == flag && !p.Resolved })
}

// quieter returns a logger for errors alone, which leaves the terminal to the table.
func quieter(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(quote.Writer(w), &slog.HandlerOptions{Level: slog.LevelError}))
}

// signature returns table(column, …).
func signature(t *row.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return t.FullName() + "(" + strings.Join(names, ", ") + ")"
}

func hostPort(dsn string) (host, port string) {
	_, rest, _ := strings.Cut(dsn, "tcp(")
	addr, _, _ := strings.Cut(rest, ")")
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}

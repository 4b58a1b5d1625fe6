package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	"github.com/sluice-etl/sluice/internal/accesslog"
	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/internal/cli"
	"github.com/sluice-etl/sluice/receiver"
)

// demoBatch is the number of events of a request, the default of Flume's sink.
const demoBatch = 100

// demo sends access-log lines to the Avro receiver, as Flume would, and shows the table as it grows.
type demo struct {
	to    string
	rate  int
	view  *tableView
	log   *slog.Logger
	sent  chan int64 // the newest number of acked events; one place
	every time.Duration
}

func newDemo(o *options, cfg app.Config, at app.Addresses, log *slog.Logger, out io.Writer) *demo {
	d := &demo{to: at.Avro.String(), rate: max(1, o.DemoRate), log: log, sent: make(chan int64, 1), every: 5 * time.Second}
	terminal := cli.IsTerminal(out)
	if terminal {
		d.every = time.Second
	}
	page := ""
	if at.Admin != nil {
		page = "http://" + at.Admin.String() + "/"
	}
	d.view = newTableView(cfg.Pool, &cfg.Plan.Tables()[0], out, terminal, page, log)
	return d
}

// run ends when ctx does. Errors are logged and retried.
func (d *demo) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { d.send(ctx); return nil })
	g.Go(func() error { d.show(ctx); return nil })
	return g.Wait()
}

func (d *demo) send(ctx context.Context) {
	pace := time.NewTicker(time.Second * demoBatch / time.Duration(d.rate))
	defer pace.Stop()
	rng := accesslog.New(rand.Uint64()) //nolint:gosec // lines of a demo
	header := []receiver.Header{{Key: []byte("host"), Value: []byte("demo")}}
	lines := make([][]byte, demoBatch)
	events := make([]receiver.Event, demoBatch)
	var client *avroclient.Client
	defer func() {
		if client != nil {
			_ = client.Close() // no request is in flight
		}
	}()
	for n := 0; ; n += demoBatch {
		for i := range lines {
			lines[i] = accesslog.Append(lines[i][:0], rng, n+i)
			events[i] = receiver.Event{Headers: header, Body: lines[i]}
		}
		for acked := false; !acked; {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			client, acked = d.give(ctx, client, events)
		}
		select {
		case <-d.sent:
		default:
		}
		d.sent <- int64(n + demoBatch)
	}
}

// give sends one batch and reports whether it was acknowledged. If not, the caller sends it again on a new connection.
func (d *demo) give(ctx context.Context, client *avroclient.Client, events []receiver.Event) (*avroclient.Client, bool) {
	var err error
	if client == nil {
		if client, err = avroclient.Dial(ctx, avroclient.DefaultConfig(d.to)); err != nil {
			d.warn(ctx, err)
			return nil, false
		}
	}
	if err = client.Append(ctx, events); err != nil {
		d.warn(ctx, err)
		_ = client.Close() // it cannot be used after an error
		return nil, false
	}
	return client, true
}

func (d *demo) warn(ctx context.Context, err error) {
	if ctx.Err() == nil {
		d.log.Warn("Demo batch not acknowledged; sending it again", "err", err)
	}
}

func (d *demo) show(ctx context.Context) {
	tick := time.NewTicker(d.every)
	defer tick.Stop()
	var acked int64
	for {
		select {
		case <-ctx.Done():
			d.view.close()
			return
		case acked = <-d.sent:
		case <-tick.C:
			d.view.draw(ctx, fmt.Sprintf("%d events sent and acked", acked))
		}
	}
}

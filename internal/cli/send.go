package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sluice-etl/sluice/flumeclient"
	avroclient "github.com/sluice-etl/sluice/flumeclient/avro"
	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/quote"
	"github.com/sluice-etl/sluice/receiver"
)

type sendCmd struct {
	Files []string `arg:"" name:"file" help:"Files of lines; - is standard input."`

	To             string            `group:"send" default:"avro://localhost:41414" placeholder:"URL" help:"Where to send: avro://HOST:PORT or thrift://HOST:PORT (default avro://localhost:41414)."`
	BatchSize      int               `group:"send" default:"100" help:"Events of a request, as in Flume."`
	Connections    int               `group:"send" default:"1" help:"Concurrent connections. Lines of different connections may arrive in any order."`
	Headers        map[string]string `group:"send" mapsep:"," placeholder:"KEY=VALUE,..." help:"Headers of each event."`
	Resend         bool              `group:"send" default:"true" help:"Send a batch again until the reply is OK; --resend=false ends at the first failure."`
	MaxLineBytes   Bytes             `group:"send" default:"1MiB" help:"Longest line."`
	AnswerTimeout  time.Duration     `group:"send" default:"20s" help:"How long to wait for a reply."`
	Deflate        string            `group:"send" enum:"none,inside,outside" default:"none" help:"Compression: none; inside TLS, as Flume up to 1.9 does; or outside TLS, as Flume from 1.10 on does. Without TLS these two are the same."`
	ThriftProtocol string            `group:"send" enum:"compact,binary" default:"compact" help:"Protocol of thrift://: compact or binary."`
	TLS            bool              `group:"send" name:"tls" help:"Connect over TLS."`
	TLSCA          string            `group:"send" name:"tls-ca" placeholder:"FILE" help:"PEM file with the certificate authorities of the receiver (default: the system's)."`
	TLSCert        string            `group:"send" name:"tls-cert" placeholder:"FILE" help:"PEM file with the client certificate."`
	TLSKey         string            `group:"send" name:"tls-key" placeholder:"FILE" help:"PEM file with the key of the client certificate."`
	TLSServerName  string            `group:"send" name:"tls-server-name" placeholder:"NAME" help:"Name that the receiver's certificate must carry (default: the host's)."`
	TLSInsecure    bool              `group:"send" name:"tls-insecure" help:"Do not verify the certificate: anyone on the path can read and change what is sent."`
}

// Help shows examples.
func (sendCmd) Help() string {
	return `Sends each line as a Flume event, as Flume's Avro or Thrift sink does, and prints the number of acknowledged events, the rate and the latency. A batch is sent again until the reply is OK, so that every line arrives at least once.

Examples:

	etl send access.log
	etl send --to avro://collector:41414 --batch-size 1000 --connections 4 access.log access.log.1
	etl send --to avro://collector:41414 --tls --tls-ca ca.pem --deflate outside access.log
	tail -f access.log | etl send --headers host=web1,app=shop -`
}

// Run sends the files.
func (c *sendCmd) Run(ctx context.Context, k *kong.Context, s Streams) error {
	dial, err := c.dialer(k)
	if err != nil {
		return err
	}
	p := &progress{out: s.Err, rewrite: IsTerminal(s.Err)}
	dial = p.watch(dial)
	cfg := flumeclient.DefaultConfig()
	cfg.Batch, cfg.Connections, cfg.Resend = c.BatchSize, c.Connections, c.Resend
	cfg.MaxLineBytes = int(c.MaxLineBytes)
	cfg.Progress, cfg.ProgressEvery = p.show, progressEvery
	if p.rewrite {
		cfg.ProgressEvery = 200 * time.Millisecond
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		cfg.Headers = append(cfg.Headers, receiver.Header{Key: []byte(name), Value: []byte(c.Headers[name])})
	}
	if err := optionErrors(k, cfg.Validate()); err != nil {
		return err
	}
	inputs, closeAll, err := openAll(c.Files, s.In)
	if err != nil {
		return err
	}
	defer closeAll()
	sum, err := flumeclient.Run(ctx, cfg, dial, inputs)
	p.end()
	fmt.Fprintln(s.Out, inWords(sum))
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped before the end of the input: %w", context.Cause(ctx))
	}
	return err
}

// dialer returns how to connect to --to.
func (c *sendCmd) dialer(k *kong.Context) (flumeclient.Dial, error) {
	if c.To == "" {
		return nil, usageError{errors.New("--to is empty, must be avro://HOST:PORT or thrift://HOST:PORT")}
	}
	if err := optionErrors(k, nil); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.To)
	if err != nil {
		return nil, usageError{fmt.Errorf("--to: %w", err)}
	}
	if c.AnswerTimeout <= 0 {
		return nil, usageError{fmt.Errorf("--answer-timeout is %s, must be more than 0s", c.AnswerTimeout)}
	}
	wrapped := c.wrapped()
	if err := wrapped.Check(); err != nil {
		return nil, usageError{err}
	}
	if u.Scheme == "thrift" {
		cfg := thriftclient.DefaultConfig(u.Host)
		cfg.RequestTimeout, cfg.Dialer, cfg.Protocol = c.AnswerTimeout, wrapped, thriftclient.Protocol(c.ThriftProtocol)
		if err := cfg.Validate(); err != nil {
			return nil, usageError{fmt.Errorf("--to: %w", err)}
		}
		return func(ctx context.Context) (flumeclient.Client, error) { return thriftclient.Dial(ctx, cfg) }, nil
	}
	cfg := avroclient.DefaultConfig(u.Host)
	cfg.RequestTimeout, cfg.Dialer = c.AnswerTimeout, wrapped
	if err := cfg.Validate(); err != nil {
		return nil, usageError{fmt.Errorf("--to: %w", err)}
	}
	return func(ctx context.Context) (flumeclient.Client, error) { return avroclient.Dial(ctx, cfg) }, nil
}

// wrapped returns how to open the connection: TLS and compression.
func (c *sendCmd) wrapped() flumeclient.Dialer {
	return flumeclient.Dialer{
		TLS: c.TLS, CA: c.TLSCA, ServerName: c.TLSServerName, Insecure: c.TLSInsecure, Cert: c.TLSCert, Key: c.TLSKey,
		Deflate: flumeclient.Deflate(c.Deflate),
	}
}

// openAll opens every file before the first line is read, so that a wrong name is reported before anything is sent.
func openAll(names []string, stdin io.Reader) (inputs []flumeclient.Input, closeAll func(), err error) {
	var open []*os.File
	closeAll = func() {
		for _, f := range open {
			_ = f.Close() // only read from
		}
	}
	for _, name := range names {
		if name == "-" {
			inputs = append(inputs, flumeclient.Input{Name: "standard input", Reader: stdin})
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, usageError{err}
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			closeAll()
			return nil, nil, usageError{errors.Join(fmt.Errorf("%s is a directory: name its files", name), f.Close())}
		}
		open = append(open, f)
		inputs = append(inputs, flumeclient.Input{Name: name, Reader: f})
	}
	return inputs, closeAll, nil
}

// inWords formats a summary as one line.
func inWords(s flumeclient.Summary) string {
	return fmt.Sprintf("%d sent, %d acked, %d sent again in %.1fs: %.0f events/s, %.1f MB/s, latency %s (p50) and %s (p99)",
		s.Sent, s.Acked, s.Resent, s.Elapsed.Seconds(), s.Rate, float64(s.Bytes)/1e6/max(s.Elapsed.Seconds(), 1e-9),
		s.P50.Round(10*time.Microsecond), s.P99.Round(10*time.Microsecond))
}

// progressEvery is the time between lines of progress when the output is not a terminal.
const progressEvery = 5 * time.Second

// progress writes one line that is rewritten on a terminal, and new lines elsewhere. The line has the newest error since
// the last OK, so that a user sees why etl send keeps resending.
type progress struct {
	out     io.Writer
	rewrite bool
	width   int
	shown   time.Duration // when the last line was written
	trouble atomic.Pointer[string]
}

func (p *progress) show(s flumeclient.Summary) {
	line := inWords(s)
	if t := p.trouble.Load(); t != nil {
		line += "; " + quote.Text(*t)
	}
	if !p.rewrite {
		if s.Elapsed-p.shown > progressEvery/2 { // the summary follows the last line
			p.shown = s.Elapsed
			fmt.Fprintln(p.out, line)
		}
		return
	}
	fmt.Fprintf(p.out, "\r%-*s", p.width, line)
	p.width = len(line)
}

// end clears the line; the summary follows it.
func (p *progress) end() {
	if p.rewrite {
		fmt.Fprintf(p.out, "\r%-*s\r", p.width, "")
	}
}

// watch notes the errors of connections.
func (p *progress) watch(dial flumeclient.Dial) flumeclient.Dial {
	return func(ctx context.Context) (flumeclient.Client, error) {
		c, err := dial(ctx)
		if err != nil {
			p.note(err)
			return nil, err
		}
		return watched{c, p}, nil
	}
}

func (p *progress) note(err error) {
	if err == nil {
		p.trouble.Store(nil)
		return
	}
	text := withFlags(err.Error())
	p.trouble.Store(&text)
}

type watched struct {
	flumeclient.Client
	progress *progress
}

// Append implements flumeclient.Client.
func (w watched) Append(ctx context.Context, events []receiver.Event) error {
	err := w.Client.Append(ctx, events)
	w.progress.note(err)
	return err
}

package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kslog"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
)

// dialTimeout is the limit of one attempt to connect, including the TLS handshake. adminWait is the limit of one
// request that carries no records, including retries: it leaves time for a second broker if the first does not reply.
const (
	dialTimeout = 5 * time.Second
	adminWait   = 10 * time.Second
)

// options returns the options that all clients share: addresses, identity, security, log. d records failed connection
// attempts.
func (c Config) options(log *slog.Logger, d *dials) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.WithHooks(d),
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.WithLogger(kslog.New(slog.New(debugOnly{log.Handler()}))),
		kgo.MetadataMaxAge(c.MetadataMaxAge),
		kgo.MetadataMinAge(min(c.MetadataMaxAge, 250*time.Millisecond)),
		kgo.DisableClientMetrics(),
		kgo.MaxDecompressBatchBytes(c.MaxDecompressBatchBytes),
	}
	dial := (&net.Dialer{Timeout: dialTimeout}).DialContext
	if c.TLS.Enabled {
		dial = c.TLS.dial
	}
	opts = append(opts, kgo.Dialer(markAborted(dial)))
	if m := c.SASL.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

// debugOnly logs the library's warnings and errors at debug level, because the library retries or returns what they
// report, and this package logs the outcome. The library's other lines are per request and are dropped.
type debugOnly struct{ slog.Handler }

func (q debugOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, slog.LevelDebug)
}

func (q debugOnly) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

// mechanism returns nil if SASL is off. The password file is read at each connection.
func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := s.password()
			return plain.Auth{User: s.User, Pass: pass}, err
		})
	case ScramSHA256:
		return scram.Sha256(s.scram)
	case ScramSHA512:
		return scram.Sha512(s.scram)
	}
	return nil
}

func (s SASL) scram(context.Context) (scram.Auth, error) {
	pass, err := s.password()
	return scram.Auth{User: s.User, Pass: pass}, err
}

func (s SASL) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	pass, err := textfile.Secret(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", option.Ref("kafka-password-file"), err)
	}
	if pass == "" {
		return "", fmt.Errorf("read %s: %s is empty", option.Ref("kafka-password-file"), s.PasswordFile)
	}
	return pass, nil
}

// Reachable asks all of Config.Brokers concurrently for their versions and metadata, without retries, and returns nil
// when the first replies. Its error names the addresses and why each did not reply.
func Reachable(ctx context.Context, cfg Config, log *slog.Logger) error {
	err := pingBrokers(ctx, cfg, orDiscard(log))
	if p, ok := errors.AsType[permanent](err); ok {
		return p.error
	}
	return err
}

// pingBrokers uses one client for each address, because one client asks them one after another, and a broker that
// accepts connections without replying would use up the time of those after it. No client and no goroutine is left when
// it returns. An address has dialTimeout to connect and dialTimeout to reply.
func pingBrokers(ctx context.Context, cfg Config, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	var d dials
	clients := make([]*kgo.Client, len(cfg.Brokers))
	for i, address := range cfg.Brokers {
		one := cfg
		one.Brokers = []string{address}
		cl, err := kgo.NewClient(append(one.options(log, &d), kgo.RequestRetries(0), kgo.RequestTimeoutOverhead(dialTimeout))...)
		if err != nil {
			return permanent{fmt.Errorf("create a kafka client: %w", err)}
		}
		defer cl.Close()
		clients[i] = cl
	}
	var reached atomic.Bool
	errs := make([]error, len(clients))
	var pings, closing sync.WaitGroup
	for i, cl := range clients {
		pings.Go(func() {
			if errs[i] = cl.Ping(ctx); errs[i] == nil {
				reached.Store(true)
				cancel() // the others' replies are not needed
			}
		})
	}
	closing.Go(func() { // ctx does not interrupt authentication; closing the client does
		<-ctx.Done()
		for _, cl := range clients {
			cl.Close()
		}
	})
	pings.Wait()
	err := errs[0]
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cancel()
	closing.Wait()
	if reached.Load() {
		return nil
	}
	return fmt.Errorf("reach kafka at %s: %w", strings.Join(cfg.Brokers, ","), d.explain(err))
}

// waitReachable retries until Kafka replies or ctx is done.
func waitReachable(ctx context.Context, cfg Config, log *slog.Logger) error {
	return retry(ctx, log, "Kafka is not reachable; retrying", nil, func(ctx context.Context) error {
		return pingBrokers(ctx, cfg, log)
	})
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return log
}

// permanent marks an error that a retry does not fix.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// retry calls fn until it returns nil or a permanent error, or ctx is done, with pauses that grow from 100 ms to 5 s.
// It logs the first error and then at most one in ten seconds, with the constant message what. Errors include the
// connection errors that d has recorded; d may be nil.
func retry(ctx context.Context, log *slog.Logger, what string, d *dials, fn func(context.Context) error) error {
	wait, throttle := obs.NewBackoff(100*time.Millisecond, 5*time.Second), obs.NewThrottle(10*time.Second)
	for tries := 1; ; tries++ {
		err := fn(ctx)
		if err == nil {
			return nil
		}
		if p, ok := errors.AsType[permanent](err); ok {
			return p.error
		}
		if d != nil {
			err = d.explain(err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), err)
		}
		if ok, _ := throttle.Allow("", time.Now()); ok {
			log.Warn(what, "err", err, "tries", tries) //nolint:sloglint // every caller gives a constant
		}
		if !wait.Wait(ctx) {
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), err)
		}
	}
}

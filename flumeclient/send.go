package flumeclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/receiver"
)

// Run sends every line of the inputs, one input after the other. It returns a summary once all lines are acknowledged,
// at the first error, or when ctx is done. The line end, \n, is not sent. An unterminated last line is sent. cfg must
// be valid.
//
// Run does not wait for a Read that blocks when ctx ends; its goroutine ends when Read returns.
func Run(ctx context.Context, cfg Config, dial Dial, inputs []Input) (Summary, error) {
	t := &tally{begun: time.Now()}
	l := &lines{cfg: cfg, full: make(chan *batch, cfg.Connections)}
	g, ctx := errgroup.WithContext(ctx)
	background, stop := context.WithCancel(ctx)
	defer stop()

	input := make(chan error, 1)
	go func() { input <- l.read(ctx, inputs) }()
	g.Go(func() error {
		select {
		case err := <-input:
			if err == nil {
				close(l.full) // the senders end when it is empty; linger has no batch left
			}
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	for range cfg.Connections {
		g.Go(func() error { return (&sender{cfg: cfg, dial: dial, lines: l, tally: t}).run(ctx) })
	}
	var helpers errgroup.Group
	helpers.Go(func() error { l.linger(background); return nil })
	if cfg.Progress != nil {
		helpers.Go(func() error { progress(background, cfg, t); return nil })
	}
	err := g.Wait()
	stop()
	_ = helpers.Wait() // always nil
	s := t.summary()
	if cfg.Progress != nil {
		cfg.Progress(s)
	}
	return s, err
}

func progress(ctx context.Context, cfg Config, t *tally) {
	obs.Every(ctx, cfg.ProgressEvery, func() { cfg.Progress(t.summary()) })
}

// sender sends batches over one connection at a time.
type sender struct {
	cfg    Config
	dial   Dial
	lines  *lines
	tally  *tally
	client Client
}

func (s *sender) run(ctx context.Context) error {
	defer s.close()
	for {
		select {
		case b, ok := <-s.lines.full:
			if !ok {
				return nil
			}
			if err := s.send(ctx, b); err != nil {
				return err
			}
			s.lines.free.Put(b)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// send sends one batch, and with Resend repeats it until it is acknowledged.
func (s *sender) send(ctx context.Context, b *batch) error {
	tries := 0
	pause := obs.NewBackoff(50*time.Millisecond, 5*time.Second)
	for {
		err := s.once(ctx, b, &tries)
		if err == nil {
			return nil
		}
		if !s.cfg.Resend || ctx.Err() != nil {
			return fmt.Errorf("send %d events: %w", len(b.events), err)
		}
		if !pause.Wait(ctx) {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// once sends the batch once; tries counts how often it was given to a connection.
func (s *sender) once(ctx context.Context, b *batch, tries *int) error {
	if s.client == nil {
		client, err := s.dial(ctx)
		if err != nil {
			return err
		}
		s.client = client
	}
	s.tally.sending(len(b.events), *tries > 0)
	*tries++
	begun := time.Now()
	err := s.client.Append(ctx, b.events)
	switch {
	case err == nil:
		s.tally.acked(b, time.Since(begun))
	case !errors.Is(err, receiver.ErrRejected):
		s.close()
	}
	return err
}

func (s *sender) close() {
	if s.client != nil {
		_ = s.client.Close() // an error changes nothing: what was acknowledged stays acknowledged
		s.client = nil
	}
}

package flumeclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/internal/textfile"
	"github.com/sluice-etl/sluice/receiver"
)

// batch is some lines and their events. Its memory is reused.
type batch struct {
	arena  []byte // the concatenated lines
	ends   []int  // where each line ends in arena
	events []receiver.Event
	since  time.Time // when its first line began
}

// seal creates the events, which are views of the arena. Nothing may be added afterwards.
func (b *batch) seal(headers []receiver.Header) {
	b.events = b.events[:0]
	from := 0
	for _, to := range b.ends {
		b.events = append(b.events, receiver.Event{Headers: headers, Body: b.arena[from:to:to]})
		from = to
	}
}

// lines splits the input into batches. While read blocks in Read of the input, linger passes on a batch that has waited
// long enough for more lines.
type lines struct {
	cfg  Config
	full chan *batch
	free sync.Pool // of *batch

	mu  sync.Mutex // guards now, and the order of batches in full
	now *batch
}

// read reads all inputs and returns at their end, at an error, or when ctx is done and Read has returned.
func (l *lines) read(ctx context.Context, inputs []Input) error {
	for _, in := range inputs {
		if err := l.readOne(ctx, in); err != nil {
			return err
		}
	}
	return l.handOver(ctx, 0)
}

func (l *lines) readOne(ctx context.Context, in Input) error {
	r := bufio.NewReaderSize(in.Reader, 256<<10)
	for number := 1; ; number++ {
		length := 0
		for {
			piece, err := r.ReadSlice('\n')
			ended := err == nil
			if ended {
				piece = bytes.TrimSuffix(piece, []byte{'\n'})
			}
			if number == 1 && length == 0 {
				piece = bytes.TrimPrefix(piece, []byte(textfile.BOM))
			}
			if length += len(piece); length > l.cfg.MaxLineBytes {
				return fmt.Errorf("%s: line %d is longer than %d bytes: raise %s", in.Name, number, l.cfg.MaxLineBytes, option.Ref("max-line-bytes"))
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read %s: %w", in.Name, err)
			}
			end := ended || errors.Is(err, io.EOF)
			if ended || length > 0 {
				if err := l.add(ctx, piece, end); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if ended {
				break
			}
		}
	}
}

// add appends a piece of a line. A batch with an incomplete line is not passed on.
func (l *lines) add(ctx context.Context, piece []byte, end bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		l.now, _ = l.free.Get().(*batch)
		if l.now == nil {
			l.now = new(batch)
		}
		l.now.arena, l.now.ends, l.now.since = l.now.arena[:0], l.now.ends[:0], time.Now()
	}
	l.now.arena = append(l.now.arena, piece...)
	if !end {
		return nil
	}
	l.now.ends = append(l.now.ends, len(l.now.arena))
	if len(l.now.ends) < l.cfg.Batch {
		return nil
	}
	return l.give(ctx)
}

// handOver passes the batch on if its first line is older than age and its last line is complete.
func (l *lines) handOver(ctx context.Context, age time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.now
	if b == nil || len(b.ends) == 0 || b.ends[len(b.ends)-1] != len(b.arena) || time.Since(b.since) < age {
		return nil
	}
	return l.give(ctx)
}

// give requires l.mu to be held.
func (l *lines) give(ctx context.Context) error {
	b := l.now
	b.seal(l.cfg.Headers)
	select {
	case l.full <- b:
		l.now = nil
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// linger passes slow batches on until ctx is done.
func (l *lines) linger(ctx context.Context) {
	obs.Every(ctx, l.cfg.Linger, func() {
		_ = l.handOver(ctx, l.cfg.Linger) // fails only if ctx is done
	})
}

package kafkaio

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// mirror commits our offsets to the group, for lag tools only. Nothing is ever read from there, a lost commit is
// replaced by the next one, and nothing waits for it. It is no mailbox.Mailbox, because it keeps only the newest offset of
// each partition.
type mirror struct {
	mu      sync.Mutex
	pending map[int32]int64
	wake    chan struct{} // holds a token when something is pending
}

func (r *mirror) put(partition int32, next int64) {
	r.mu.Lock()
	if r.pending == nil {
		r.pending = make(map[int32]int64)
	}
	r.pending[partition] = next
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *mirror) run(ctx context.Context, m *member) error {
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
		r.mu.Lock()
		pending := r.pending
		r.pending = nil
		r.mu.Unlock()
		offsets := make(map[int32]kgo.EpochOffset, len(pending))
		m.mu.Lock()
		for p, next := range pending {
			if m.owned[p] {
				offsets[p] = kgo.EpochOffset{Epoch: -1, Offset: next}
			}
		}
		m.mu.Unlock()
		if len(offsets) == 0 {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		m.cl.CommitOffsetsSync(limited, map[string]map[int32]kgo.EpochOffset{m.s.cfg.Topic: offsets},
			func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
				if err == nil {
					err = firstCommitError(resp)
				}
				m.s.denial.note("committing offsets of group "+m.s.group, err)
				if err != nil && ctx.Err() == nil {
					m.s.log.Debug("Offsets not mirrored to the group; the next commit retries", "err", err)
				}
			})
		cancel()
	}
}

// firstCommitError returns the first error of any partition, or nil.
func firstCommitError(resp *kmsg.OffsetCommitResponse) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/checkpoint"
)

// The ranges of a replay are stored once: a second process that found other ranges gets those of the first.
func TestReplay_storedOnce(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		if r, ok, err := f.Replay(t.Context(), "logs"); err != nil || ok {
			t.Fatalf("got %v, %t and %v, expected no replay", r, ok, err)
		}
		first := Replay{State: Counting, Stretch: "from earliest to 'now'", TopicID: checkpoint.TopicID{7}, Ranges: []checkpoint.Range{
			{Partition: logs(0), First: 5, Next: 500}, {Partition: logs(1)}, {Partition: logs(2), First: 3, Next: 3},
		}}
		other := Replay{Stretch: "other", Ranges: []checkpoint.Range{{Partition: logs(0), Next: 501}}}
		for i, r := range []Replay{first, other} {
			got, err := f.BeginReplay(t.Context(), "logs", r)
			if diff := cmp.Diff(first, got); err != nil || diff != "" {
				t.Errorf("begin %d: %v, expected what the first has stored (-want +got):\n%s", i, err, diff)
			}
		}
		if got, ok, err := f.Replay(t.Context(), "logs"); err != nil || !ok || cmp.Diff(first, got) != "" {
			t.Errorf("got %v, %t and %v, expected %v", got, ok, err, first)
		}
		if _, ok, err := f.Replay(t.Context(), "other"); err != nil || ok {
			t.Errorf("got %t and %v for another topic, expected none", ok, err)
		}
		f.Exec(t, "DELETE FROM etl_replay WHERE partition_id = 1")
		if _, _, err := f.Replay(t.Context(), "logs"); !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(err.Error(), "no row of partition 1") {
			t.Errorf("got %v, expected a refusal because a row was deleted", err)
		}
	})
}

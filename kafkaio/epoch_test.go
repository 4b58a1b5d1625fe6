package kafkaio

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
)

// One fetch returns records of two leaders, and a batch ends between them. If the second leader's epoch were stored
// with an offset of the first one's, the next record would have an epoch below the stored one, and the partition would
// stop although the log was never truncated.
func TestP27_oneLeaderEpochPerFetched(t *testing.T) {
	s, err := NewSource(DefaultConfig(), "job", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &pieces{}
	p := &partition{Partition: checkpoint.Partition{Topic: "logs"}, end: math.MaxInt64, next: 10, leaderEpoch: -1, state: fetching}
	f := &fetcher{s: s, listener: o, throttle: obs.NewThrottle(time.Second), partitions: map[int32]*partition{0: p}}
	fetched := kgo.FetchPartition{}
	for i, epoch := range []int32{3, 3, 5, 5, 6} {
		fetched.Records = append(fetched.Records, &kgo.Record{Offset: int64(10 + i), LeaderEpoch: epoch})
	}
	f.polledPartition(&kgo.FetchTopic{Topic: "logs"}, &fetched)
	want := [][3]int64{{10, 12, 3}, {12, 14, 5}, {14, 15, 6}}
	if diff := cmp.Diff(want, o.got); diff != "" {
		t.Errorf("deliveries as first, next, leader epoch (-expected +got):\n%s", diff)
	}
	if len(p.held) != 0 {
		t.Errorf("%d fetches are still held, expected 0", len(p.held))
	}
}

// pieces stores first, next and leader epoch of each Fetched.
type pieces struct {
	releases
	got [][3]int64
}

func (o *pieces) Fetched(f batch.Fetched) {
	o.got = append(o.got, [3]int64{f.First, f.Next, int64(f.LeaderEpoch)})
	f.Release()
}

package kafkaio

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestSource_reads(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 3, nil)
	cl := client(t, c, manual())
	for p := range int32(3) {
		fill(t, cl, p, 0, 100)
	}
	o, stop := source(t, testConfig(c))
	for p := range int32(3) {
		eventually(t, "all records", func() bool { return o.at(p).next == 100 })
		if got := o.at(p); len(got.offsets) != 100 || got.values[99] != "record 99" || len(got.gaps) != 0 || got.epoch < 0 {
			t.Errorf("partition %d: %d records, gaps %v, epoch %d", p, len(got.offsets), got.gaps, got.epoch)
		}
	}
	fill(t, cl, 1, 100, 110)
	eventually(t, "what came later", func() bool { return o.at(1).next == 110 })
	stop()
	if o.revokes == 0 || len(o.has()) != 0 {
		t.Errorf("after the end: %d revocations, still owns %v", o.revokes, o.has())
	}
	_ = kgo.NewOffset()
}

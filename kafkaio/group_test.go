package kafkaio

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
)

func all(n int32) []checkpoint.Partition {
	var ps []checkpoint.Partition
	for i := range n {
		ps = append(ps, checkpoint.Partition{Topic: "logs", ID: i})
	}
	return ps
}

func TestP6_twoSourcesShareTheGroup(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 6, nil)
	cl := client(t, c, manual())
	for p := range int32(6) {
		fill(t, cl, p, 0, 20)
	}
	a, _ := source(t, testConfig(c))
	eventually(t, "all partitions with one member", func() bool { return len(a.has()) == 6 })
	b, stopB := source(t, testConfig(c))
	eventually(t, "half with each", func() bool { return len(a.has()) == 3 && len(b.has()) == 3 })
	both := a.has()
	maps.Copy(both, b.has())
	if len(both) != 6 {
		t.Errorf("a has %v, b has %v; expected six partitions together", a.has(), b.has())
	}
	kept := a.has()
	for p := range kept { // cooperative: what a keeps was not interrupted
		if a.at(p).fetchID > 6 {
			t.Errorf("partition %d was positioned again although a kept it", p)
		}
	}
	for p := range both {
		o := a
		if b.has()[p] {
			o = b
		}
		eventually(t, "the records", func() bool { return o.at(p).next == 20 })
	}
	got, err := a.src.Confirm(t.Context(), all(6))
	if err != nil || len(got) != 3 {
		t.Errorf("a confirms %v, %v; expected its 3", got, err)
	}
	stopB()
	eventually(t, "all partitions back", func() bool { return len(a.has()) == 6 })
}

// The group's own offsets are a mirror: written, never read.
func TestP6_groupOffsetsAreNeverRead(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cl := client(t, c, manual())
	fill(t, cl, 0, 0, 100)
	o, stop := source(t, testConfig(c))
	wantOffsets(t, o, 100)
	o.src.Position([]batch.Position{{Partition: checkpoint.Partition{Topic: "logs"}, Action: batch.Mirror, Next: 60}})
	adm, err := newAdmin(testConfig(c), orDiscard(nil), &dials{})
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	eventually(t, "the mirror", func() bool {
		offsets, err := adm.FetchOffsets(t.Context(), "job")
		if err != nil {
			return false
		}
		at, ok := offsets.Lookup("logs", 0)
		return ok && at.At == 60
	})
	stop()
	o2, _ := source(t, testConfig(c))
	wantOffsets(t, o2, 100) // from 0, not from 60
}

func TestP14_confirm(t *testing.T) {
	t.Parallel()
	heartbeat := int16(kmsg.Heartbeat)
	for _, test := range []struct {
		name string
		code *kerr.Error
		want int
	}{
		{"ours", nil, 2},
		{"unknown member", kerr.UnknownMemberID, 0},
		{"illegal generation", kerr.IllegalGeneration, 0},
		{"denied once, as just after a rebalance", kerr.IllegalGeneration, 2},
		{"coordinator in trouble, then ours", kerr.CoordinatorLoadInProgress, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := broker(t)
			makeTopics(t, c, 2, nil)
			cfg := testConfig(c)
			cfg.SessionTimeout, cfg.Heartbeat = 30*time.Second, 9*time.Second // the client's own heartbeats keep out of it
			o, _ := source(t, cfg)
			eventually(t, "the assignment", func() bool { return len(o.has()) == 2 })
			asked := 0
			c.ControlKey(heartbeat, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
				asked++
				if test.code == nil {
					return nil, nil, false
				}
				resp := kreq.ResponseKind().(*kmsg.HeartbeatResponse)
				resp.ErrorCode = test.code.Code
				if test.want == 0 {
					c.KeepControl()
				}
				return resp, nil, true
			})
			got, err := o.src.Confirm(t.Context(), all(2))
			if err != nil || len(got) != test.want {
				t.Errorf("confirmed %v, %v; expected %d", got, err, test.want)
			}
			if asked == 0 {
				t.Error("the group was not asked")
			}
		})
	}
}

// A heartbeat's reply does not count if a callback changed the assignment meanwhile.
func TestP14_assignmentIsComparedAfterTheHeartbeat(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, nil)
	cfg := testConfig(c)
	cfg.SessionTimeout, cfg.Heartbeat = 30*time.Second, 9*time.Second
	o, _ := source(t, cfg)
	eventually(t, "the assignment", func() bool { return len(o.has()) == 2 })
	c.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.DropControl()
		o.src.member.onRevoked([]int32{0}, false)
		return nil, nil, false
	})
	got, err := o.src.Confirm(t.Context(), all(2))
	if err != nil || len(got) != 1 || got[0].ID != 1 {
		t.Errorf("confirmed %v, %v; expected partition 1 alone", got, err)
	}
}

// A member that the group has removed learns it by a heartbeat, and its partitions are not confirmed from its own
// memory. Otherwise it could commit for partitions that another member owns.
func TestP14_droppedMemberIsNotConfirmed(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 1, nil)
	cfg := testConfig(c)
	cfg.SessionTimeout, cfg.Heartbeat = time.Minute, 20*time.Second // it will not notice by itself
	o, _ := source(t, cfg)
	eventually(t, "the assignment", func() bool { return len(o.has()) == 1 })
	kick(t, c, o.src)
	got, err := o.src.Confirm(t.Context(), all(1))
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || len(got) != 0 && o.revokes == 0 { // after the callback it may have been assigned again
		t.Errorf("confirmed %v, %v; expected nothing: another may own it", got, err)
	}
}

// kick removes the source's member from the group without the member's knowledge.
func kick(t *testing.T, c *kfake.Cluster, s *Source) {
	t.Helper()
	id, _ := s.member.cl.GroupMetadata()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = "job"
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = id
	req.Members = append(req.Members, m)
	req.MemberID = id
	if _, err := req.RequestWith(t.Context(), client(t, c)); err != nil {
		t.Fatal(err)
	}
}

// During a rebalance nothing can be confirmed: Confirm waits for its end.
func TestP14_confirmWaitsForTheRebalance(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 4, nil)
	cfg := testConfig(c)
	cfg.SessionTimeout, cfg.Heartbeat = 30*time.Second, 300*time.Millisecond
	a, _ := source(t, cfg)
	eventually(t, "the assignment", func() bool { return len(a.has()) == 4 })
	b, _ := source(t, cfg)
	deadline := time.Now().Add(testTimeout)
	for len(a.has()) != 2 || len(b.has()) != 2 {
		got, err := a.src.Confirm(t.Context(), all(4))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got); n < 2 || n > 4 {
			t.Fatalf("confirmed %v during the rebalance, expected 2 to 4 partitions", got)
		}
		if time.Now().After(deadline) {
			t.Fatal("no balance")
		}
	}
	got, err := a.src.Confirm(t.Context(), all(4))
	if err != nil || len(got) != 2 {
		t.Errorf("confirmed %v, %v; expected 2", got, err)
	}
}

// A MySQL outage means that nothing is claimed; it must not cause a rebalance.
func TestP6_noRebalanceWhileNothingIsClaimed(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, nil)
	cfg := testConfig(c)
	cfg.SessionTimeout, cfg.Heartbeat = time.Second, 50*time.Millisecond
	s, err := NewSource(cfg, "job", testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &idle{assigned: make(chan []int32, 10)}
	start(t, func(ctx context.Context) error { return s.Run(ctx, o) })
	select {
	case <-o.assigned:
	case <-time.After(testTimeout):
		t.Fatal("no assignment")
	}
	_, generation := s.member.cl.GroupMetadata()
	joins := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1, Group: "job"})
	limited, cancel := context.WithTimeout(t.Context(), 2*cfg.SessionTimeout)
	defer cancel()
	<-limited.Done()
	if _, now := s.member.cl.GroupMetadata(); now != generation || joins.Hits() != 0 {
		t.Errorf("generation %d became %d with %d joins, expected no join", generation, now, joins.Hits())
	}
}

type idle struct{ assigned chan []int32 }

func (o *idle) Assigned(_ batch.Topic, ps []int32)                    { o.assigned <- ps }
func (o *idle) Revoked(context.Context, []checkpoint.Partition, bool) {}
func (o *idle) Fetched(batch.Fetched)                                 {}

// A listener that blocks in Revoked delays the rebalance by at most a quarter of the rebalance timeout.
func TestP6_revokedDelayIsBounded(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 4, nil)
	cfg := testConfig(c)
	cfg.RebalanceTimeout = 2 * time.Second
	a, _ := source(t, cfg)
	eventually(t, "the assignment", func() bool { return len(a.has()) == 4 })
	a.mu.Lock()
	a.block = time.Hour
	a.mu.Unlock()
	begun := time.Now()
	b, _ := source(t, cfg)
	eventually(t, "half with the other", func() bool { return len(b.has()) == 2 })
	if d := time.Since(begun); d > 3*time.Second {
		t.Errorf("the rebalance took %s, expected about %s", d, cfg.RebalanceTimeout/4)
	}
	a.mu.Lock()
	a.block = 0
	a.mu.Unlock()
}

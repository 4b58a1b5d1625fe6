package kafkaio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/checkpoint"
)

func identity(b byte, address string) Identity { return Identity{ID: [16]byte{b}, Address: address} }

// identifiedSource starts a source with an identity. The test itself waits for its end.
func identifiedSource(t *testing.T, cfg Config, own Identity) (o *owner, ended chan error, stop context.CancelFunc) {
	t.Helper()
	s, err := NewSource(cfg, "job", testLog(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Identify(own)
	o, ended = newOwner(t, s), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); ended <- s.Run(ctx, o) }()
	t.Cleanup(func() { stop(); <-done })
	return o, ended, stop
}

func awaitEnd(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(testTimeout):
		t.Fatal("the source still runs, expected ErrRefused")
		return nil
	}
}

func TestIdentity_roundTrip(t *testing.T) {
	t.Parallel()
	withServer := identity(9, "db:3306/stats")
	withServer.Server = "host:3306 uuid"
	for _, i := range []Identity{{}, withServer, identity(1, ""), identity(255, "db:3306/stats"), identity(7, strings.Repeat("x", maxAddress))} {
		for _, before := range []string{"", "\x00\x00\x00\x01", identityMagic} {
			got, ok := parseIdentity(i.appendTo([]byte(before)))
			if !ok || got != i {
				t.Errorf("got %v %v, expected %v", got, ok, i)
			}
		}
	}
	long := identity(1, strings.Repeat("x", maxAddress+1))
	if got, ok := parseIdentity(long.appendTo(nil)); !ok || len(got.Address) != maxAddress || got.ID != long.ID {
		t.Errorf("a long address: got %v %v; expected true, Address with %v elements and ID %v", got, ok, maxAddress, long.ID)
	}
	for _, raw := range []string{"", "x", identityMagic, "\xff\xff" + identityMagic, "\x00\x05short" + identityMagic,
		strings.Repeat("x", 20) + "\x02\x01" + identityMagic} {
		if got, ok := parseIdentity([]byte(raw)); ok {
			t.Errorf("%q: got %v, expected none", raw, got)
		}
	}
	if got := identity(1, "db\x1b[2J").String(); strings.Contains(got, "\x1b") {
		t.Errorf("control characters of the network: %q, expected it not to contain %q", got, "\x1b")
	}
}

// Production and staging with the same job share one group: the second start is refused before it gets a partition,
// with both addresses in the error, and the first keeps all its partitions.
func TestP1_anotherDatabaseInTheGroupIsRefused(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 4, nil)
	first, firstEnded, _ := identifiedSource(t, testConfig(c), identity(1, "prod:3306/stats"))
	eventually(t, "all partitions with the first", func() bool { return len(first.has()) == 4 })
	second, ended, _ := identifiedSource(t, testConfig(c), identity(2, "staging:3306/stats"))
	err := awaitEnd(t, ended)
	if !errors.Is(err, checkpoint.ErrRefused) || !strings.Contains(fmt.Sprint(err), "prod:3306/stats") ||
		!strings.Contains(fmt.Sprint(err), "staging:3306/stats") {
		t.Fatalf("got %v, expected a refusal with both addresses", err)
	}
	if n := second.fetchID; n != 0 {
		t.Errorf("the second positioned %d partitions, expected none", n)
	}
	if len(first.has()) != 4 || first.revokes != 0 {
		t.Errorf("the first has %v after %d revocations, expected all 4 and none", first.has(), first.revokes)
	}
	select {
	case err := <-firstEnded:
		t.Errorf("the first ended: %v", err)
	default:
	}
	if _, err := CheckGroup(t.Context(), testConfig(c), "job", identity(2, "staging:3306/stats"), nil); !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("check: got %v, expected a refusal", err)
	}
	members, err := CheckGroup(t.Context(), testConfig(c), "job", identity(1, "other:3306/stats"), nil)
	if err != nil || len(members) != 1 || members[0] != identity(1, "prod:3306/stats") {
		t.Errorf("check from the same database: got %v %v; expected the one member %v and no error", members, err, identity(1, "prod:3306/stats"))
	}
}

// Members that the check before joining did not stop are refused after joining, before they claim anything.
func TestP1_anotherDatabaseIsRefusedAfterJoining(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 4, nil)
	first, _, _ := identifiedSource(t, testConfig(c), identity(1, "prod:3306/stats"))
	eventually(t, "all partitions with the first", func() bool { return len(first.has()) == 4 })
	var joining atomic.Bool
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		joining.Store(true)
		c.KeepControl()
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if joining.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.State = "job", "PreparingRebalance"
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
	cfg := testConfig(c)
	cfg.SessionTimeout = time.Second
	o, ended, _ := identifiedSource(t, cfg, identity(2, "staging:3306/stats"))
	if err := awaitEnd(t, ended); !errors.Is(err, checkpoint.ErrRefused) {
		t.Fatalf("got %v, expected a refusal", err)
	}
	if !joining.Load() || o.fetchID != 0 {
		t.Errorf("it positioned %d partitions, expected none", o.fetchID)
	}
	eventually(t, "all partitions back", func() bool { return len(first.has()) == 4 })
}

// The same database at another address, and members of releases without an identity, do not count as another database.
func TestP1_sameDatabaseAndOlderReleasesShareTheGroup(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 6, nil)
	a, _, _ := identifiedSource(t, testConfig(c), identity(1, "db1:3306/stats"))
	b, _, _ := identifiedSource(t, testConfig(c), identity(1, "proxy:3306/stats"))
	old, _ := source(t, testConfig(c)) // as before there were identities
	eventually(t, "two with each", func() bool { return len(a.has()) == 2 && len(b.has()) == 2 && len(old.has()) == 2 })
	if err := errors.Join(a.src.ForeignDatabase(), b.src.ForeignDatabase()); err != nil {
		t.Error(err)
	}
}

// A member of another database that joins nevertheless is reported until it has left.
func TestP1_runningMemberReportsAnotherDatabase(t *testing.T) {
	t.Parallel()
	c := broker(t)
	makeTopics(t, c, 2, nil)
	a, _, _ := identifiedSource(t, testConfig(c), identity(1, "prod:3306/stats"))
	eventually(t, "all partitions", func() bool { return len(a.has()) == 2 })
	cl := client(t, c, kgo.ConsumerGroup("job"), kgo.ConsumeTopics("logs"), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(testConfig(c).Heartbeat),
		kgo.Balancers(identityBalancer{kgo.CooperativeStickyBalancer(), identity(2, "staging:3306/stats")}))
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		for !cl.PollFetches(t.Context()).IsClientClosed() && t.Context().Err() == nil {
		}
	}()
	eventually(t, "an alarm", func() bool { return a.src.ForeignDatabase() != nil })
	if err := a.src.ForeignDatabase(); !strings.Contains(err.Error(), "staging:3306/stats") || !strings.Contains(err.Error(), "prod:3306/stats") {
		t.Errorf("got %v, expected both addresses", err)
	}
	cl.Close()
	<-polled
	eventually(t, "no alarm any more", func() bool { return a.src.ForeignDatabase() == nil })
}

// A copy of a database has its original's identity. Members on two servers are reported once and not refused, because a
// failover temporarily causes the same. One server at two addresses is not reported.
func TestP1_aCopiedDatabaseIsReported(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	s, err := NewSource(testConfig(broker(t)), "job", slog.New(slog.NewTextHandler(&text, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := func(address, server string) Identity {
		i := identity(1, address)
		i.Server = server
		return i
	}
	s.Identify(at("127.0.0.1:3306/stats", "db1:3306 u1"))
	aliases := map[string]bool{}
	for _, c := range []struct {
		member Identity
		want   string
	}{
		{at("127.0.0.1:3306/stats", "db1:3306 u1"), ""},
		{at("proxy:3306/stats", "db1:3306 u1"), ""},
		{at("127.0.0.1:3306/stats", "db2:3306 u2"), `their_server="db2:3306 u2"`},
		{at("127.0.0.1:3306/stats", "db2:3306 u2"), ""}, // it was reported
		{at("127.0.0.1:3306/stats", "db3\x1b[2J"), "another server"},
		{at("proxy:3306/stats", ""), "at another address"}, // of an earlier release
	} {
		text.Reset()
		s.checkMembers([]Identity{c.member}, aliases)
		if got := text.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "\x1b") {
			t.Errorf("%v %q: got %q, expected %q", c.member, c.member.Server, got, c.want)
		}
		if err := s.ForeignDatabase(); err != nil {
			t.Errorf("%v: got %v, expected no refusal", c.member, err)
		}
	}
	if err := foreignDatabaseError("job", s.own, []Identity{at("x", "db2:3306 u2")}); err != nil {
		t.Errorf("got %v, expected no refusal: it may be a failover", err)
	}
}

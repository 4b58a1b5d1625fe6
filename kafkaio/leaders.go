package kafkaio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// leaderWait is the limit of the request to one leader. It is longer than dialTimeout, so that a connection error is
// reported rather than a timeout.
const leaderWait = dialTimeout + time.Second

// leadersAtOnce is how many leaders are asked concurrently at most.
const leadersAtOnce = 16

// electionPause is how long to wait before a broker that denies leading a partition is asked again, because another
// leader may have been elected meanwhile.
const electionPause = 500 * time.Millisecond

// CheckLeaders sends a request to each broker that leads a partition of use's topics, at its advertised address, and
// names those that do not reply as a leader does. A bootstrap broker may be reachable while these are not.
func CheckLeaders(ctx context.Context, cfg Config, use Use, log *slog.Logger) ([]string, error) {
	return probeOnce(ctx, cfg, use, log, func(a *prober, meta *kmsg.MetadataResponse) ([]string, error) {
		l, err := a.checkLeaders(ctx, meta)
		return slices.Concat(l.unreachable, l.deadUnreachable, l.leaderless), err
	})
}

// leaders is the state of the leaders of our topics' partitions.
type leaders struct {
	asked           int      // how many brokers lead partitions of our topics
	unreachable     []string // brokers that cannot be reached, or do not lead what Kafka says
	deadUnreachable []string // the same if only partitions of the dead-letter topic are affected
	leaderless      []string // topics with partitions that have no leader
}

// leader is a broker and the partitions of our topics that it leads.
type leader struct {
	id            int32
	address       string
	sharedAddress string             // text that names another broker with the same address, or empty
	leads         map[string][]int32 // by topic
}

// errNotLeader means that a broker replied and does not lead all partitions that the metadata lists for it.
var errNotLeader = errors.New("it replies that it does not lead them; is this the address of another broker?")

// errNotDeadLeader is errNotLeader if only partitions of the dead-letter topic are affected.
var errNotDeadLeader = fmt.Errorf("of the dead-letter topic: %w", errNotLeader)

// checkLeaders asks all leaders in meta concurrently. If one denies its leadership, all are asked once more with new
// metadata after electionPause.
func (a *prober) checkLeaders(ctx context.Context, meta *kmsg.MetadataResponse) (leaders, error) {
	for again := false; ; again = true {
		var found leaders
		var all []leader
		all, found.leaderless = leading(meta)
		found.asked = len(all)
		var mu sync.Mutex
		var g errgroup.Group
		g.SetLimit(leadersAtOnce)
		elected := false
		for _, l := range all {
			g.Go(func() error {
				err := a.askLeader(ctx, l)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					lost := &found.unreachable
					if l.leads[a.cfg.Topic] == nil || errors.Is(err, errNotDeadLeader) {
						lost = &found.deadUnreachable
					}
					*lost = append(*lost, fmt.Sprintf("broker %d, which leads %s, at its advertised address %s%s: %v", l.id, l.names(), l.address, l.sharedAddress, err))
				}
				elected = elected || errors.Is(err, errNotLeader)
				return nil
			})
		}
		_ = g.Wait() // no function in the group returns an error
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if elected && !again {
			err := pause(ctx, electionPause)
			if err == nil {
				meta, err = a.metadata(ctx)
			}
			if err != nil {
				return found, err
			}
			continue
		}
		slices.Sort(found.unreachable)
		slices.Sort(found.deadUnreachable)
		return found, nil
	}
}

// leading returns the leaders of all partitions in meta, ordered by ID, and texts that name the partitions without a
// leader. Topics that are missing, or for which DESCRIBE is denied, have no partitions in meta.
func leading(meta *kmsg.MetadataResponse) (all []leader, leaderless []string) {
	byID := map[int32]leader{}
	for _, t := range meta.Topics {
		var without []int32
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				without = append(without, p.Partition)
				continue
			}
			l, ok := byID[p.Leader]
			if !ok {
				l = leader{id: p.Leader, leads: map[string][]int32{}}
				for _, b := range meta.Brokers {
					if b.NodeID == p.Leader {
						l.address = addressOf(b.Host, b.Port)
					}
				}
				for _, b := range meta.Brokers {
					if b.NodeID != p.Leader && addressOf(b.Host, b.Port) == l.address {
						l.sharedAddress = fmt.Sprintf(", which broker %d advertises as well", b.NodeID)
					}
				}
				byID[p.Leader] = l
			}
			l.leads[*t.Topic] = append(l.leads[*t.Topic], p.Partition)
		}
		if without != nil {
			leaderless = append(leaderless, fmt.Sprintf("%s of topic %s: no broker leads it now", formatPartitions(without), *t.Topic))
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b leader) int { return cmp.Compare(a.id, b.id) }), leaderless
}

func addressOf(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// askLeader requests the end offsets of a leader's partitions. It uses a client that knows only the leader's address: a
// client that knows the cluster drops all its brokers when one of them is found at another's address (KIP-1242), and
// the requests to the others fail with it.
func (a *prober) askLeader(ctx context.Context, l leader) error {
	if l.address == "" {
		return errors.New("the metadata does not list it among the cluster's brokers")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, leaderWait, fmt.Errorf("no reply within %s", leaderWait))
	defer cancel()
	cfg := a.cfg
	cfg.Brokers = []string{l.address}
	cl, err := kgo.NewClient(append(cfg.options(a.log, &a.dials), kgo.RequestRetries(0), kgo.RequestTimeoutOverhead(dialTimeout))...)
	if err != nil {
		return fmt.Errorf("create a kafka client: %w", err)
	}
	defer cl.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	for name, ps := range l.leads {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for _, id := range ps {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = id, -1, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if why := a.dials.to(l.address); err != nil && why != nil {
		return why
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	var not error
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); errors.Is(err, kerr.NotLeaderForPartition) || errors.Is(err, kerr.UnknownTopicOrPartition) {
				if t.Topic == a.cfg.Topic {
					return errNotLeader
				}
				not = errNotDeadLeader
			}
		}
	}
	return not
}

// names returns a text such as "partitions 0-3, 7 of topic logs and …".
func (l leader) names() string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(l.leads)) {
		texts = append(texts, fmt.Sprintf("%s of topic %s", formatPartitions(l.leads[name]), name))
	}
	return strings.Join(texts, " and ")
}

// formatPartitions sorts ps and returns them as text, with consecutive partitions as a range.
func formatPartitions(ps []int32) string {
	slices.Sort(ps)
	var texts []string
	for i := 0; i < len(ps); {
		j := i
		for j+1 < len(ps) && ps[j+1] == ps[j]+1 {
			j++
		}
		if j > i {
			texts = append(texts, fmt.Sprintf("%d-%d", ps[i], ps[j]))
		} else {
			texts = append(texts, strconv.Itoa(int(ps[i])))
		}
		i = j + 1
	}
	if len(ps) == 1 {
		return "partition " + texts[0]
	}
	return "partitions " + strings.Join(texts, ", ")
}

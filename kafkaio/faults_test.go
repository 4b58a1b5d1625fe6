package kafkaio

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerEpoch has the broker say that whatever epoch is asked for is epoch, and ends at end.
func answerEpoch(c *kfake.Cluster, epoch int32, end int64) {
	c.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.OffsetForLeaderEpochRequest)
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		for _, rt := range req.Topics {
			t := kmsg.NewOffsetForLeaderEpochResponseTopic()
			t.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				p.Partition, p.LeaderEpoch, p.EndOffset = rp.Partition, epoch, end
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
}

// denyFetch refuses two fetches for lack of rights.
func denyFetch(c *kfake.Cluster) {
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "logs", Err: kerr.TopicAuthorizationFailed, Count: 2})
}

func setConfig(tb testing.TB, adm *kadm.Client, topic, key, value string) {
	tb.Helper()
	_, err := adm.AlterTopicConfigs(tb.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	if err != nil {
		tb.Fatal(err)
	}
}

// holdFetches has the broker hang up on every fetch until the function that it returns is called. It returns when no
// fetch waits at the broker any more.
func holdFetches(t *testing.T, c *kfake.Cluster) (fetchAgain func()) {
	t.Helper()
	var held, refused atomic.Bool
	held.Store(true)
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !held.Load() {
			return nil, nil, false
		}
		refused.Store(true)
		return nil, errors.New("held"), true
	})
	// The client sends its next fetch when the one before was answered.
	eventually(t, "a fetch is refused", refused.Load)
	return func() { held.Store(false) }
}

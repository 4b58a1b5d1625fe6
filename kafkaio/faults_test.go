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

// answerEpoch makes the broker reply with epoch and end to every request for the end of a leader epoch.
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

// denyFetch makes the broker deny two fetches for missing rights.
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

// holdFetches makes the broker close the connection on every fetch until the returned function is called. It returns
// when no fetch is waiting at the broker.
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
	// The client sends its next fetch after the reply to the previous one.
	eventually(t, "a fetch is refused", refused.Load)
	return func() { held.Store(false) }
}

package app

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/internal/registrytest"
	"github.com/sluice-etl/sluice/query"
	"github.com/sluice-etl/sluice/registry"
	"github.com/sluice-etl/sluice/status"
)

// Schemas of writers: the first, and one with another order and a field more. The reader's has a field that the first lacks.
const (
	firstHit  = `{"type":"record","name":"Hit","fields":[{"name":"path","type":"string"},{"name":"bytes","type":"int"}]}`
	secondHit = `{"type":"record","name":"Hit","fields":[{"name":"extra","type":{"type":"array","items":"string"}},{"name":"bytes","type":"long"},{"name":"country","type":["null","string"]},{"name":"path","type":"string"}]}`
	readHit   = `{"type":"record","name":"Hit","fields":[{"name":"path","type":"string"},{"name":"country","type":["null","string"],"default":null},{"name":"bytes","type":"long"}]}`
)

// framedHit returns a value of a schema behind its ID.
func framedHit(t *testing.T, id uint32, schema string, value map[string]any) []byte {
	t.Helper()
	b, err := avro.MustParse(schema).AppendEncode(binary.BigEndian.AppendUint32([]byte{0}, id), value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Records wait for a registry that does not answer, and are dead letters only if it has no schema for them. Those of new
// schemas are counted beside the others, and each record once.
func TestRegistry_toTheTable(t *testing.T) {
	t.Parallel()
	schemas := registrytest.Start(t)
	schemas.Set(1, registrytest.Schema{Schema: firstHit})
	schemas.Break(503)
	server := mariadbtest.Start(t)
	db := server.Database(t)
	k := broker(t)
	cfg := config(t, k.ListenAddrs()[0], server.DSN(db))
	cfg.Kafka.Partitions, cfg.Batch.DeadLetterStop = 3, 1
	cfg.Receive, cfg.Registry = false, registry.Config{URLs: []string{schemas.URL}}
	opts := query.DefaultOptions()
	opts.Format, opts.FormatString = "avro_confluent", readHit
	var err error
	if cfg.Plan, err = query.Compile("INSERT INTO hits SELECT path, COALESCE(country, 'none') AS country, COUNT(*) AS n, SUM(bytes) AS bytes FROM events GROUP BY path, country", opts); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(cfg.Kafka.Topic), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	p := start(t, cfg)
	p.loads(t)
	produce := func(bodies ...[]byte) {
		t.Helper()
		for i, b := range bodies {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Partition: int32(i % 3), Value: b}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := func(path string, bytes int) []byte {
		return framedHit(t, 1, firstHit, map[string]any{"path": path, "bytes": bytes})
	}
	second := func(path, country string, bytes int64) []byte {
		return framedHit(t, 2, secondHit, map[string]any{"path": path, "bytes": bytes, "country": country, "extra": []string{"x"}})
	}
	fates := func() string {
		return strings.Join(rows(t, server.DSN(db), "SELECT SUM(counted), SUM(filtered), SUM(dead) FROM etl_checkpoint"), "")
	}

	produce(first("/a", 10), first("/b", 20), first("/a", 1), []byte("text"), first("/a", 100), first("/b", 5))
	await(t, "the process reports the registry", func() bool {
		_, all := p.standings(t)
		return all["schemas"] == status.Degraded
	})
	if got := fates(); got != "0 0 0" {
		t.Errorf("while the registry does not answer, records have the fates %s, expected none", got)
	}
	schemas.Break(0)
	await(t, "the first records are counted", func() bool { return fates() == "5 0 1" })
	await(t, "the registry answers", func() bool {
		_, all := p.standings(t)
		return all["schemas"] == status.OK
	})

	schemas.Set(2, registrytest.Schema{Schema: secondHit})
	missing := framedHit(t, 7, firstHit, map[string]any{"path": "/a", "bytes": 1})
	produce(second("/a", "AT", 7), first("/a", 1000), missing, second("/b", "AT", 8), second("/a", "AT", 9), first("/b", 2000))
	await(t, "the other records are counted", func() bool { return fates() == "10 0 2" })
	const want = "/a AT 2 16, /a none 4 1111, /b AT 1 8, /b none 3 2025"
	if got := strings.Join(rows(t, server.DSN(db), "SELECT path, country, n, bytes FROM hits ORDER BY path, country"), ", "); got != want {
		t.Errorf("the table has %s, expected %s", got, want)
	}
	const reasons = "avro_confluent: expected a body that begins with a zero byte and the 4 bytes of a schema's ID, avro_confluent: the registry has no schema of Avro with the body's ID"
	if got := strings.Join(rows(t, server.DSN(db), "SELECT reason FROM etl_dead_letter ORDER BY reason"), ", "); got != reasons {
		t.Errorf("dead letters have the reasons %s, expected %s", got, reasons)
	}
}

package app

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query"
)

// Events in Avro are counted by fields of their schema; those that are cut short or continue are dead letters.
func TestAvro_toTheTable(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"Hit","fields":[{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"client","type":["null",{"type":"record","name":"Client","fields":[{"name":"country","type":"string"}]}]},
		{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"tags","type":{"type":"map","values":"string"}}]}`
	server := mariadbtest.Start(t)
	db := server.Database(t)
	k := broker(t)
	cfg := config(t, k.ListenAddrs()[0], server.DSN(db))
	cfg.Kafka.Partitions, cfg.Batch.DeadLetterStop = 1, 1
	var err error
	opts := query.DefaultOptions()
	opts.Format, opts.FormatString = "avro", schema
	if cfg.Plan, err = query.Compile("INSERT INTO prices SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS minute, client.country, COUNT(*) AS n, SUM(price) AS price, SUM(JSON_LENGTH(tags)) AS tags, MAX(tags->>'$.a') AS a "+
		"FROM events GROUP BY minute, client.country", opts); err != nil {
		t.Fatal(err)
	}
	encoder := avro.MustParse(schema)
	body := func(country any, cents int64) string {
		client := any(nil)
		if country != nil {
			client = map[string]any{"country": country}
		}
		b, err := encoder.Encode(map[string]any{"ts": time.UnixMilli(1431857103936), "client": client, "price": big.NewRat(cents, 100), "tags": map[string]any{"a": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	p := start(t, cfg)
	p.loads(t)
	good := body("AT", 1999)
	if err := p.dial(t).Append(t.Context(), events(good, body("AT", -1000), body(nil, 5), good[:len(good)-1], good+"\x00", "\x00\x00\x00\x00\x01"+good, "")); err != nil {
		t.Fatal(err)
	}
	await(t, "every event is counted or dead", func() bool {
		return strings.Join(rows(t, server.DSN(db), "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'prices'"), "") == "1" &&
			strings.Join(rows(t, server.DSN(db), "SELECT SUM(counted), SUM(dead) FROM etl_checkpoint"), "") == "3 4"
	})
	const want = "2015-05-17 10:05:00 none 1 0.05 1 b, 2015-05-17 10:05:00 AT 2 9.99 2 b"
	if got := strings.Join(rows(t, server.DSN(db), "SELECT minute, COALESCE(country, 'none'), n, price, tags, a FROM prices ORDER BY country IS NOT NULL"), ", "); got != want {
		t.Errorf("the table has %s, expected %s", got, want)
	}
}

package query

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
)

// Arrays, maps, records and unions of a schema are JSON for functions, paths and tables of elements.
func TestAvro_nestedFields(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"Hit","fields":[{"name":"k","type":"string"},{"name":"tags","type":{"type":"array","items":"string"}},{"name":"labels","type":["null",{"type":"map","values":"long"}]},
		{"name":"id","type":["string","long"]},{"name":"calls","type":{"type":"array","items":{"type":"record","name":"Call","fields":[{"name":"host","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}}},
		{"name":"last","type":["null","Call"]}]}`
	call := func(host string, at int64) map[string]any { return map[string]any{"host": host, "at": at} }
	encoder := avro.MustParse(schema)
	var bodies []string
	for _, v := range []map[string]any{
		{"k": "x", "tags": []any{"a", "b"}, "labels": map[string]any{"n": 5}, "id": "s", "calls": []any{call("h1", 1431857103936), call("h2", 0)}, "last": call("h2", 0)},
		{"k": "y", "tags": []any{"a"}, "labels": nil, "id": int64(7), "calls": []any{}, "last": nil},
	} {
		b, err := encoder.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	opts := DefaultOptions()
	opts.Format, opts.FormatString, opts.TimeZone = "avro", schema, time.FixedZone("east", 7200)
	for text, want := range map[string][]string{
		"SELECT tag, COUNT(*) AS n FROM events JOIN UNNEST(tags) AS tag GROUP BY tag":                                                                                      {"a 2", "b 1"},
		"SELECT host, at, COUNT(*) AS n FROM events, JSON_TABLE(calls, '$[*]' COLUMNS (host VARCHAR(9) PATH '$.host', at DATETIME(3) PATH '$.at')) AS c GROUP BY host, at": {"h1 2015-05-17 10:05:03.936 1", "h2 1970-01-01 00:00:00.000 1"},
		"SELECT k, SUM(JSON_LENGTH(tags)) AS n, SUM(JSON_LENGTH(calls)) AS c FROM events GROUP BY k":                                                                       {"x 2 2", "y 1 0"},
		"SELECT k, labels->'$.n' AS n, JSON_EXTRACT(labels, '$.n') AS m, COUNT(*) AS c FROM events GROUP BY k, n, m":                                                       {"x 5 5 1", "y NULL NULL 1"},
		"SELECT id, id->>'$' AS text, COUNT(*) AS c FROM events GROUP BY id, text":                                                                                         {`"s" s 1`, "7 7 1"},
		"SELECT last, last.host, COUNT(*) AS c FROM events GROUP BY last, last.host":                                                                                       {`{"host":"h2","at":"1970-01-01 00:00:00.000+00:00"} h2 1`, "NULL NULL 1"},
		"SELECT k, COUNT(*) AS c FROM events WHERE JSON_CONTAINS(tags, '\"b\"') GROUP BY k":                                                                                {"x 1"},
	} {
		p, err := Compile("INSERT INTO t "+text, opts)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		f := p.NewFold()
		if tally := feed(f, bodies...); len(tally.Dead) > 0 {
			t.Errorf("%s: got the dead letter %q %q, expected none", text, tally.Dead[0].Reason, tally.Dead[0].Detail)
		}
		got := printed(f.Take())
		for i := range got {
			_, got[i], _ = strings.Cut(got[i], ": ")
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n     got %q\nexpected %q", text, got, want)
		}
	}
	if _, err := Compile("INSERT INTO t SELECT labels.n, COUNT(*) AS c FROM events GROUP BY labels.n", opts); err == nil || !strings.Contains(err.Error(), `labels is of the type map in the schema, so its column is JSON: write labels->>'$."n"'`) {
		t.Errorf("got the error %v, expected how a value of a map is read", err)
	}
}

package query

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/row"
)

// flumePlan compiles a query for values that are events in Flume's encoding.
func flumePlan(t testing.TB, format, text string) *Plan {
	t.Helper()
	o := DefaultOptions()
	o.Format, o.FlumeValues = format, true
	p, err := Compile(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// flumeValue returns an event as KafkaChannel writes it. headers are names and values alternately.
func flumeValue(body string, headers ...string) []byte {
	b := avrobin.AppendEventHead(nil, len(headers)/2)
	for _, h := range headers {
		b = avrobin.AppendBytes(b, h)
	}
	return avrobin.AppendEventBody(b, []byte(body))
}

// kafkaHeaders returns the same headers as Kafka headers, for a raw body.
func kafkaHeaders(headers ...string) (hs []batch.Header) {
	for i := 0; i < len(headers); i += 2 {
		hs = append(hs, batch.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return hs
}

// Headers of Flume's interceptors, sources and appenders, as a query reads them: the same in both encodings.
func TestFlumeHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origin, expr string
		headers      []string
		want         string
	}{
		{"timestamp interceptor", "_event_time", []string{"timestamp", "1431857103250"}, "2015-05-17 10:05:03.250"},
		{"timestamp interceptor, in a window", "TUMBLE(_event_time, INTERVAL 1 HOUR)", []string{"timestamp", "1431857103250"}, "2015-05-17 10:00:00"},
		{"timestamp interceptor with headerName", "FROM_UNIXTIME(CAST(header('when') AS SIGNED) / 1000)", []string{"when", "1431857103250"}, "2015-05-17 10:05:03.2500"},
		{"Log4j 2", "_event_time", []string{"guId", "x", "timeStamp", "1431857103250"}, "2015-05-17 10:05:03.250"},
		{"Log4j 2 behind an interceptor", "_event_time", []string{"timeStamp", "1", "timestamp", "1431857103250"}, "2015-05-17 10:05:03.250"},
		{"no timestamp: Kafka's time", "_event_time", nil, "1970-01-01 00:00:02.000"},
		{"host interceptor", "header('host')", []string{"host", "10.0.0.5"}, "10.0.0.5"},
		{"static interceptor", "header('datacenter')", []string{"datacenter", "vie-1"}, "vie-1"},
		{"UUID interceptor", "header('id')", []string{"id", "0b5c1d9e-8f5f-4c39-9d0c-2a7d6a3f1c11"}, "0b5c1d9e-8f5f-4c39-9d0c-2a7d6a3f1c11"},
		{"regex_extractor", "CAST(header('status') AS SIGNED) + 1", []string{"status", "404"}, "405"},
		{"spooldir fileHeader, taildir fileHeader", "SUBSTRING_INDEX(header('file'), '/', -1)", []string{"file", "/var/log/httpd/access.log"}, "access.log"},
		{"spooldir basenameHeader", "header('basename')", []string{"basename", "access.log"}, "access.log"},
		{"taildir headers.group.key", "header('group')", []string{"group", "web"}, "web"},
		{"log4j appender, level", "IF(CAST(header('flume.client.log4j.log.level') AS SIGNED) >= 40000, 'error', 'fine')", []string{"flume.client.log4j.log.level", "40000"}, "error"},
		{"log4j appender, logger", "header('flume.client.log4j.logger.name')", []string{"flume.client.log4j.logger.name", "org.example.Main"}, "org.example.Main"},
		{"log4j appender, time", "FROM_UNIXTIME(CAST(header('flume.client.log4j.timestamp') AS SIGNED) / 1000)", []string{"flume.client.log4j.timestamp", "1431857103250"}, "2015-05-17 10:05:03.2500"},
		{"log4j appender, address and encoding", "CONCAT(header('flume.client.log4j.address'), header('flume.client.log4j.message.encoding'))", []string{"flume.client.log4j.address", "10.0.0.9", "flume.client.log4j.message.encoding", "UTF8"}, "10.0.0.9UTF8"},
		{"Avro payloads", "header('flume.avro.schema.url')", []string{"flume.avro.schema.url", "hdfs:///s.avsc"}, "hdfs:///s.avsc"},
		{"syslog sources, facility and severity", "CAST(header('Facility') AS SIGNED) * 8 + CAST(header('Severity') AS SIGNED)", []string{"Facility", "4", "Severity", "2"}, "34"},
		{"syslog sources, priority and version", "CONCAT(header('priority'), '/', header('version'))", []string{"priority", "34", "version", "1"}, "34/1"},
		{"syslog sources, time", "_event_time", []string{"timestamp", "1431857103000", "host", "mymachine"}, "2015-05-17 10:05:03.000"},
		{"syslog sources, status", "header('flume.syslog.status')", []string{"flume.syslog.status", "Invalid"}, "Invalid"},
		{"Kafka source", "CONCAT(header('topic'), '-', header('partition'), '@', header('offset'), '/', header('key'))", []string{"topic", "edge", "partition", "5", "offset", "1200", "key", "k"}, "edge-5@1200/k"},
		{"names are told apart by case", "header('Host')", []string{"host", "a"}, "NULL"},
		{"an empty value is no NULL", "header('host')", []string{"host", ""}, ""},
		{"of a name that comes twice the first counts", "header('host')", []string{"host", "a", "host", "b"}, "a"},
	} {
		text := "INSERT INTO t SELECT " + c.expr + " AS x, body, _body FROM events"
		for encoding, fold := range map[string]batch.Fold[row.Delta]{
			"raw": plan(t, "raw", text).NewFold(), "flume": flumePlan(t, "raw", text).NewFold(),
		} {
			in := batch.Record{Timestamp: 2000, Value: []byte("b"), Headers: kafkaHeaders(c.headers...)}
			if encoding == "flume" {
				in = batch.Record{Timestamp: 2000, Value: flumeValue("b", c.headers...)}
			}
			var tally batch.Tally
			fold.Add(part, []batch.Record{in}, &tally)
			if len(tally.Dead) > 0 {
				t.Errorf("%s, %s: got a dead letter because %s, expected none", c.origin, encoding, tally.Dead[0].Reason)
				continue
			}
			if got := printed(fold.Take()); len(got) != 1 || got[0] != "t: logs 3 0 0 "+c.want+" b b" {
				t.Errorf("%s, %s: %s is %q, expected %q", c.origin, encoding, c.expr, got, c.want)
			}
		}
	}
}

// The event's own headers take priority over Kafka's, which are visible if the event has none of that name.
func TestFlumeValues_ownHeadersFirst(t *testing.T) {
	t.Parallel()
	p := flumePlan(t, "words", "INSERT INTO t SELECT word, COALESCE(header('host'), '') AS host, COALESCE(header('site'), '') AS site, _event_time, COUNT(*) AS n FROM events GROUP BY 1, 2, 3, 4")
	f := p.NewFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{{
		Timestamp: 9000, Value: flumeValue("a b a", "host", "own", "timestamp", "1000"),
		Headers: kafkaHeaders("host", "kafka", "site", "kafka", "timestamp", "5000"),
	}, {Offset: 1, Timestamp: 9000, Value: flumeValue("c"), Headers: kafkaHeaders("host", "kafka")}}, &tally)
	want(t, printed(f.Take()),
		"t: a own kafka 1970-01-01 00:00:01.000 2",
		"t: b own kafka 1970-01-01 00:00:01.000 1",
		"t: c kafka  1970-01-01 00:00:09.000 1")
}

func TestFlumeValues_invalidEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, want string }{
		{"", "it is empty|bad number of headers at byte 0 of 0"},
		{string(flumeValue("hi", "host", "a")) + "x", "option 'kafka-value' raw is meant|1 bytes follow the event, which ends at byte 12 of 13"},
		{string(flumeValue("hi", "host", "a")[:11]), "bad body at byte 9 of 11"},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "bad number of headers at byte 0 of 11"},
		{line(200, "17"), "did you mean option 'kafka-value' raw?"},
		{`{"a":"é"}`, "it looks like plain text: did you mean option 'kafka-value' raw?|"},
		{"Obj\x01\x04\x14avro", "it looks like an Avro container file"},
		{"\x00\x00\x00\x00\x07", "3 bytes follow the event"},
	} {
		f := flumePlan(t, "raw", "INSERT INTO t SELECT body FROM events").NewFold()
		tally := feed(f, c.value)
		if len(tally.Dead) != 1 {
			t.Errorf("%q is no dead letter: %v", c.value, printed(f.Take()))
			continue
		}
		d := tally.Dead[0]
		if !strings.HasPrefix(d.Reason, "option 'kafka-value' flume: ") || !strings.Contains(d.Reason+"|"+d.Detail, c.want) {
			t.Errorf("%q: reason %q, detail %q, expected %q in them", c.value, d.Reason, d.Detail, c.want)
		}
		if string(d.Value) != c.value || d.Length != int64(len(c.value)) || d.Statement != -1 {
			t.Errorf("%q: kept as %q; expected length %v and statement -1", c.value, d.Value, int64(len(c.value)))
		}
	}
	// If the event is valid but its body is not, the dead letter keeps the whole value.
	value := flumeValue("nonsense", "host", "a")
	if tally := feed(flumePlan(t, "json", "INSERT INTO t SELECT a AS a, CAST(b AS SIGNED) AS b FROM events").NewFold(), string(value)); len(tally.Dead) != 1 || string(tally.Dead[0].Value) != string(value) {
		t.Errorf("%+v; expected 1 dead letter with the value %v", tally, string(value))
	}
}

// Golden values: the bytes that Flume's own serializer writes.
func TestFlumeValues_goldens(t *testing.T) {
	t.Parallel()
	f := flumePlan(t, "raw", "INSERT INTO t SELECT body, header('host') AS host FROM events").NewFold()
	var bodies []string
	for _, golden := range []string{"0208686f7374026100046869", "0004796f", "011008686f7374026100046869", "0208686f73740261020261026200046869"} {
		b, err := hex.DecodeString(golden)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	if tally := feed(f, bodies...); tally.Counted != 4 {
		t.Errorf("%+v, expected Counted 4", tally)
	}
	want(t, printed(f.Take()), "t: logs 3 0 0 hi a", "t: logs 3 1 0 yo NULL", "t: logs 3 2 0 hi a", "t: logs 3 3 0 hi a")
}

// P2: the encoding of values changes the meaning of rows. The fingerprint of raw bodies does not contain it, because it
// is older than the option.
func TestP2_valueEncoding(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT word, COUNT(*) AS n FROM events GROUP BY word"
	raw, rawText := plan(t, "words", text).Fingerprint()
	flume, flumeText := flumePlan(t, "words", text).Fingerprint()
	if raw == flume || !strings.Contains(flumeText, "kafka value flume\n") {
		t.Errorf("the encoding is not in the fingerprint: %s; expected raw other than %v and it to contain %q", flumeText, flume, "kafka value flume\n")
	}
	if !strings.HasPrefix(rawText, "format words\ntime zone UTC\nvalue encoding 2\ninsert into ") {
		t.Errorf("the fingerprint of raw bodies has changed: %s, expected it to begin with %q", rawText, "format words\ntime zone UTC\nvalue encoding 2\ninsert into ")
	}
}

func TestPlan_Header(t *testing.T) {
	const text = "INSERT INTO t SELECT word, COUNT(*) AS n FROM events GROUP BY word"
	raw, flume := plan(t, "words", text).Header("id"), flumePlan(t, "words", text).Header("id")
	for _, c := range []struct {
		name  string
		find  func(*batch.Record) []byte
		value []byte
		kafka []string
		want  string
	}{
		{"raw", raw, []byte("b"), []string{"x", "1", "id", "7"}, "7"},
		{"raw, none", raw, flumeValue("b", "id", "5"), nil, "none"},
		{"flume", flume, flumeValue("b", "x", "1", "id", "5"), []string{"id", "7"}, "5"},
		{"flume, empty", flume, flumeValue("b", "id", ""), nil, ""},
		{"flume, Kafka's", flume, flumeValue("b"), []string{"id", "7"}, "7"},
		{"flume, no event", flume, []byte("some text"), []string{"id", "7"}, "none"},
		{"flume, a byte too many", flume, append(flumeValue("b", "id", "5"), 0), nil, "none"},
	} {
		in := batch.Record{Value: c.value, Headers: kafkaHeaders(c.kafka...)}
		got := "none"
		if v := c.find(&in); v != nil {
			got = string(v)
		}
		if got != c.want {
			t.Errorf("%s: %q, expected %q", c.name, got, c.want)
		}
		if n := testing.AllocsPerRun(100, func() { c.find(&in) }); n != 0 {
			t.Errorf("%s: %v allocations, expected 0", c.name, n)
		}
	}
}

func TestFlumeValues_allocateNothing(t *testing.T) {
	f := flumePlan(t, "combined", "INSERT INTO t SELECT COALESCE(header('host'), '') AS host, TUMBLE(_event_time, INTERVAL 1 MINUTE) AS m, status, COUNT(*) AS n FROM events GROUP BY 1, 2, 3").NewFold()
	records := []batch.Record{{Value: flumeValue(line(200, "17"), "id", "x", "host", "a", "timestamp", "1431857103250")}}
	var tally batch.Tally
	f.Add(part, records, &tally)
	if tally.Counted != 1 {
		t.Fatalf("%+v, expected Counted 1", tally)
	}
	if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 {
		t.Errorf("%v allocations per record, expected 0", n)
	}
}

// BenchmarkFlumeValues counts lines of the combined format by the header host and the status: from Flume's own events,
// and from raw bodies with Kafka headers.
func BenchmarkFlumeValues(b *testing.B) {
	bodies, _ := benchLog()
	for _, encoding := range []string{"flume", "raw"} {
		b.Run(encoding, func(b *testing.B) {
			o := DefaultOptions()
			o.Format, o.FlumeValues = "combined", encoding == "flume"
			p, err := Compile("INSERT INTO hits SELECT COALESCE(header('host'), '') AS host, status, COUNT(*) AS hits FROM events GROUP BY host, status", o)
			if err != nil {
				b.Fatal(err)
			}
			var records []batch.Record
			size := 0
			for i := range bodies {
				headers := []string{"timestamp", fmt.Sprint(time.Now().UnixMilli()), "host", fmt.Sprintf("web-%d", i%4), "basename", "access.log"}
				in := batch.Record{Offset: int64(i), Value: bodies[i].Value, Headers: kafkaHeaders(headers...)}
				if o.FlumeValues {
					in = batch.Record{Offset: int64(i), Value: flumeValue(string(bodies[i].Value), headers...)}
				}
				size += len(in.Value)
				records = append(records, in)
			}
			f := p.NewFold()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				var tally batch.Tally
				f.Add(checkpoint.Partition{Topic: "t"}, records, &tally)
				if tally.Counted != benchLines {
					b.Fatalf("fates: %+v, expected Counted %v", tally, benchLines)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchLines, "ns/line")
			hosts := map[string]bool{}
			rows := f.Take().Tables[0]
			for i := range rows.Len() {
				hosts[rowText(rows, i)[0]] = true
			}
			if len(hosts) != 4 {
				b.Fatalf("hosts: %v, expected 4 elements", hosts)
			}
		})
	}
}

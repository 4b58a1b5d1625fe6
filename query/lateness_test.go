package query

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
)

// lateness compiles a query with limits of the time of its windows.
func lateness(t testing.TB, format, text string, late, ahead time.Duration) *Plan {
	t.Helper()
	o := DefaultOptions()
	o.Format, o.MaxLateness, o.MaxAhead = format, late, ahead
	p, err := Compile(text, o)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// kafkaTime is the timestamp in Kafka of the records of these tests.
var kafkaTime = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC).UnixMilli()

// fate folds one record and returns its fate, or a dead letter's reason and detail.
func fate(p *Plan, in batch.Record) string {
	f := p.NewFold()
	var tally batch.Tally
	f.Add(part, []batch.Record{in}, &tally)
	switch {
	case len(tally.Dead) > 0:
		return tally.Dead[0].Reason + "|" + tally.Dead[0].Detail
	case tally.Counted > 0:
		return "counted"
	}
	return "filtered"
}

// The time of the window decides, whatever window it is and wherever it stands in the key. A time at a limit is within it.
func TestLateness(t *testing.T) {
	t.Parallel()
	const (
		minute = "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, COUNT(*) AS n FROM events WHERE COALESCE(k, '') <> 'no' GROUP BY m"
		late   = "ts is …, more than 2h0m0s (option 'max-lateness') before the record's timestamp in Kafka, …|"
		ahead  = "ts is …, more than 5m0s (option 'max-ahead') after the record's timestamp in Kafka, …|"
		at     = ", 2026-11-28 12:00:00.000000"
	)
	for name, c := range map[string]struct{ text, body, want string }{
		"at the limit":               {minute, `{"ts":"2026-11-28 10:00:00"}`, "counted"},
		"before the limit":           {minute, `{"ts":"2026-11-28 09:59:59.999999"}`, late + "2026-11-28 09:59:59.999999" + at},
		"ahead, at the limit":        {minute, `{"ts":"2026-11-28 12:05:00"}`, "counted"},
		"ahead of the limit":         {minute, `{"ts":"2026-11-28 12:05:00.000001"}`, ahead + "2026-11-28 12:05:00.000001" + at},
		"not selected":               {minute, `{"ts":"2001-11-28 10:00:00","k":"no"}`, "filtered"},
		"without a time":             {minute, `{"k":"yes"}`, "counted"},
		"HOP":                        {"INSERT INTO t SELECT HOP(ts, INTERVAL 1 HOUR, INTERVAL 1 DAY) AS h, COUNT(*) AS n FROM events GROUP BY h", `{"ts":"2026-11-28 09:00:00"}`, late + "2026-11-28 09:00:00.000000" + at},
		"HOP whose window is old":    {"INSERT INTO t SELECT HOP(ts, INTERVAL 1 HOUR, INTERVAL 1 DAY) AS h, COUNT(*) AS n FROM events GROUP BY h", `{"ts":"2026-11-28 11:00:00"}`, "counted"},
		"DATE":                       {"INSERT INTO t SELECT DATE(ts) AS d, COUNT(*) AS n FROM events GROUP BY d", `{"ts":"2026-11-28 09:00:00"}`, late + "2026-11-28 09:00:00.000000" + at},
		"DATE whose day is old":      {"INSERT INTO t SELECT DATE(ts) AS d, COUNT(*) AS n FROM events GROUP BY d", `{"ts":"2026-11-28 11:00:00"}`, "counted"},
		"a window of windows":        {"INSERT INTO t SELECT TUMBLE(DATE(ts), INTERVAL 1 WEEK) AS w, COUNT(*) AS n FROM events GROUP BY w", `{"ts":"2026-11-28 11:00:00"}`, "counted"},
		"a late window of windows":   {"INSERT INTO t SELECT TUMBLE(DATE(ts), INTERVAL 1 WEEK) AS w, COUNT(*) AS n FROM events GROUP BY w", `{"ts":"2026-11-28 09:00:00"}`, late + "2026-11-28 09:00:00.000000" + at},
		"within an expression":       {"INSERT INTO t SELECT DATE_FORMAT(TUMBLE(ts, INTERVAL 1 DAY), '%Y') AS y, COUNT(*) AS n FROM events GROUP BY y", `{"ts":"2026-11-28 09:00:00"}`, late + "2026-11-28 09:00:00.000000" + at},
		"a window of a subquery":     {"INSERT INTO t SELECT m, COUNT(*) AS n FROM (SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS m FROM events) AS x GROUP BY m", `{"ts":"2026-11-28 09:00:00"}`, late + "2026-11-28 09:00:00.000000" + at},
		"two steps":                  {"INSERT INTO t SELECT TUMBLE(s, INTERVAL 1 DAY) AS d, MAX(n) AS peak FROM (SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS s, COUNT(*) AS n FROM events GROUP BY s) AS x GROUP BY d", `{"ts":"2026-11-28 10:30:00"}`, "counted"},
		"another statement's window": {minute + "; INSERT INTO u SELECT COALESCE(k, '') AS k, COUNT(*) AS n FROM events GROUP BY k", `{"ts":"2026-11-28 09:00:00"}`, late + "2026-11-28 09:00:00.000000" + at},
		"outside of the key":         {minute + "; INSERT INTO u SELECT k, MIN(TUMBLE(CAST(b AS DATETIME), INTERVAL 1 HOUR)) AS h FROM events GROUP BY k", `{"ts":"2026-11-28 11:00:00","b":"2001-01-01 00:00:00"}`, "counted"},
		"a field _timestamp":         {"INSERT INTO t SELECT TUMBLE(CAST(events._timestamp AS DATETIME), INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events GROUP BY d", `{"_timestamp":"2026-11-28 09:00:00"}`, "CAST(`events`._timestamp as DATETIME) is …, more than 2h0m0s (option 'max-lateness') before the record's timestamp in Kafka, …|2026-11-28 09:00:00.000000" + at},
		"a field _timestamp, alone":  {"INSERT INTO t SELECT TUMBLE(events._timestamp, INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events GROUP BY d", `{"_timestamp":"2026-11-28 09:00:00"}`, "`events`._timestamp is …, more than 2h0m0s (option 'max-lateness') before the record's timestamp in Kafka, …|2026-11-28 09:00:00.000000" + at},
		"the event's time":           {"INSERT INTO t SELECT TUMBLE(_event_time, INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events GROUP BY d", `{}`, "counted"},
	} {
		p := lateness(t, "json", c.text, 2*time.Hour, 5*time.Minute)
		got := fate(p, batch.Record{Timestamp: kafkaTime, Value: []byte(c.body)})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-expected +got):\n%s", name, diff)
		}
		if got := fate(lateness(t, "json", c.text, 0, 0), batch.Record{Timestamp: kafkaTime, Value: []byte(c.body)}); got != "counted" && c.want != "filtered" {
			t.Errorf("%s: without limits got %s, expected counted", name, got)
		}
	}
}

// A time that cannot be compared is a dead letter. An event without a time is not compared: its window is NULL.
func TestLateness_timestampsInKafka(t *testing.T) {
	t.Parallel()
	const at = "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY m"
	const eventTime = "INSERT INTO t SELECT TUMBLE(_event_time, INTERVAL 1 DAY) AS d, COUNT(*) AS n FROM events GROUP BY d"
	for name, c := range map[string]struct {
		text, body string
		kafka      int64
		headers    []batch.Header
		want       string
	}{
		"none":             {at, `{"ts":"2026-11-28 09:00:00"}`, -1, nil, "ts is compared with the record's timestamp in Kafka, but the record has none"},
		"none, no time":    {at, `{}`, -1, nil, "counted"},
		"no time at all":   {eventTime, `{}`, -1, nil, "column d is NOT NULL"},
		"microseconds":     {at, `{"ts":"2026-11-28 09:00:00"}`, batch.BadTimestamp, nil, "the record's timestamp in Kafka is not a time"},
		"Kafka's own":      {eventTime, `{}`, kafkaTime, nil, "counted"},
		"a header, within": {eventTime, `{}`, kafkaTime, kafkaHeaders("timestamp", "1795861800000"), "counted"},
		"a header, late":   {eventTime, `{}`, kafkaTime, kafkaHeaders("timestamp", "1431857103250"), "_event_time is …, more than 2h0m0s (option 'max-lateness') before"},
	} {
		got := fate(lateness(t, "json", c.text, 2*time.Hour, 5*time.Minute), batch.Record{Timestamp: c.kafka, Value: []byte(c.body), Headers: c.headers})
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, expected it to begin with %q", name, got, c.want)
		}
	}
}

// Each limit stands alone.
func TestLateness_oneLimit(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY m"
	late, ahead := `{"ts":"2001-01-01 00:00:00"}`, `{"ts":"2031-01-01 00:00:00"}`
	for _, c := range []struct {
		late, ahead time.Duration
		body        string
		dead        bool
	}{{time.Hour, 0, late, true}, {time.Hour, 0, ahead, false}, {0, time.Hour, late, false}, {0, time.Hour, ahead, true}} {
		got := fate(lateness(t, "json", text, c.late, c.ahead), batch.Record{Timestamp: kafkaTime, Value: []byte(c.body)})
		if (got != "counted") != c.dead {
			t.Errorf("limits %v and %v: %s: got %s, expected dead %v", c.late, c.ahead, c.body, got, c.dead)
		}
	}
}

// A limit that nothing would be compared with is rejected.
func TestLateness_needsAWindow(t *testing.T) {
	t.Parallel()
	const needs = "option 'max-lateness' needs a window over a time of the event in GROUP BY"
	for _, c := range []struct {
		text        string
		late, ahead time.Duration
		want        string
	}{
		{"SELECT k, COUNT(*) AS n FROM events GROUP BY k", time.Hour, 0, needs},
		{"SELECT k, COUNT(*) AS n FROM events GROUP BY k", 0, time.Hour, strings.Replace(needs, "max-lateness", "max-ahead", 1)},
		{"SELECT TUMBLE(ts, INTERVAL 1 HOUR) AS h FROM events", time.Hour, 0, needs},
		{"SELECT TUMBLE(_timestamp, INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h", time.Hour, 0, needs},
		{"SELECT TUMBLE('2026-11-28 12:00:00', INTERVAL 1 HOUR) AS h, COUNT(*) AS n FROM events GROUP BY h", time.Hour, 0, needs},
		{"SELECT k, COUNT(*) AS n FROM events WHERE TUMBLE(ts, INTERVAL 1 HOUR) > '2026-11-28 12:00:00' GROUP BY k", time.Hour, 0, needs},
		{"SELECT DATE(ts) AS d, COUNT(*) AS n FROM events GROUP BY d", -time.Hour, 0, "option 'max-lateness' is -1h0m0s, must be at least 0s"},
		{"SELECT DATE(ts) AS d, COUNT(*) AS n FROM events GROUP BY d", 0, -time.Hour, "option 'max-ahead' is -1h0m0s, must be at least 0s"},
	} {
		o := DefaultOptions()
		o.Format, o.MaxLateness, o.MaxAhead = "json", c.late, c.ahead
		if _, err := Compile("INSERT INTO t "+c.text, o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s\n  got       %v\n  expected  an error that begins with %q", c.text, err, c.want)
		}
	}
}

// P2: the limits change which records are counted. Without limits the fingerprint is that of earlier releases.
func TestP2_lateness(t *testing.T) {
	t.Parallel()
	const text = "INSERT INTO t SELECT DATE(ts) AS d, COUNT(*) AS n FROM events GROUP BY d"
	of := map[[32]byte]string{}
	for _, c := range []struct {
		late, ahead time.Duration
		want        string
	}{
		{0, 0, "value encoding 2\ninsert into"},
		{time.Hour, 0, "value encoding 2\nmax lateness 1h0m0s\ninsert into"},
		{0, time.Hour, "value encoding 2\nmax ahead 1h0m0s\ninsert into"},
		{2 * time.Hour, time.Hour, "value encoding 2\nmax lateness 2h0m0s\nmax ahead 1h0m0s\ninsert into"},
	} {
		hash, hashed := lateness(t, "json", text, c.late, c.ahead).Fingerprint()
		if !strings.Contains(hashed, c.want) {
			t.Errorf("limits %v and %v: the hashed text is %s, expected it to contain %q", c.late, c.ahead, hashed, c.want)
		}
		of[hash] = hashed
	}
	if len(of) != 4 {
		t.Errorf("four settings have %d fingerprints: %v", len(of), of)
	}
}

func TestLateness_allocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	for _, text := range []string{
		"SELECT TUMBLE(ts, INTERVAL 1 MINUTE) AS m, COUNT(*) AS n FROM events GROUP BY m",
		"SELECT HOP(ts, INTERVAL 1 HOUR, INTERVAL 1 DAY) AS m, COUNT(*) AS n FROM events GROUP BY m",
	} {
		f := lateness(t, "common", "INSERT INTO t "+text, time.Hour, time.Hour).NewFold()
		records := []batch.Record{{Timestamp: kafkaTime, Value: []byte(`h - - [28/Nov/2026:11:59:03 +0000] "GET / HTTP/1.1" 200 17`)}}
		var tally batch.Tally
		f.Add(part, records, &tally)
		if n := testing.AllocsPerRun(100, func() { f.Add(part, records, &tally) }); n != 0 || tally.Counted == 0 || len(tally.Dead) > 0 {
			t.Errorf("%s: %v allocations per record and fates %+v, expected 0 and all counted", text, n, tally)
		}
	}
}

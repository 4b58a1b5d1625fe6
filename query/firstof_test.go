package query

import (
	"strings"
	"testing"
)

const (
	listLine = `192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 404 12 "-" "UA"`
	listJSON = `{"status":"500","ts":"2015-05-17T12:05:09+02:00","a":{"b":[1,"x\u0041"]}}`
)

// A query of a list of formats reads columns of all of them: by the format's name, by a name that one format has, and by
// COALESCE of several.
func TestFirstOf_query(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ list, columns, want string }{
		{"first-of(combined,json,raw)", "_format", "combined 1, json 1, raw 2"},
		{"first-of(combined,json,raw)", "COALESCE(combined.status, CAST(json.status AS SIGNED), 0)", "0 2, 404 1, 500 1"},
		{"first-of(combined,json,raw)", "COALESCE(events.combined.path, a->>'$.b[1]', raw.body)", "/a 1, not one 1, xA 1, {} x 1"},
		{"first-of(combined,json,raw)", "COALESCE(json.a->>'$.b[0]', '')", " 3, 1 1"},
		{"first-of(combined,json,raw)", "COALESCE(json.a.b->'$[1]', '')", " 3, \"xA\" 1"},
		{"first-of(combined,json,raw)", "COALESCE(json->>'$.status', 'no field of the name json')", "no field of the name json 4"},
		{"first-of(x=json,raw)", "COALESCE(x.status, LEFT(raw.body, 3))", "192 1, 500 1, not 1, {}  1"},
		{"first-of(combined,json,raw)", "TUMBLE(COALESCE(combined.ts, CAST(json.ts AS DATETIME)), INTERVAL 1 MINUTE)", "NULL 2, 2015-05-17 10:05:00 2"},
		{"first-of(combined,raw)", "_FORMAT", "combined 1, raw 3"},
		{"first-of(combined,raw)", "COALESCE(status, IF(JSON_VALID(body), CAST(body->>'$.status' AS SIGNED), 0))", "0 2, 404 1, 500 1"},
	} {
		o := DefaultOptions()
		o.Format = c.list
		p, err := Compile("INSERT INTO t SELECT "+c.columns+" AS k, COUNT(*) AS n FROM events GROUP BY k", o)
		if err != nil {
			t.Errorf("%s of %s: %v", c.columns, c.list, err)
			continue
		}
		if got := strings.ReplaceAll(folded(t, p, listLine, listJSON, "not one", "{} x"), "t: ", ""); got != c.want {
			t.Errorf("%s of %s is\n     got %s\nexpected %s", c.columns, c.list, got, c.want)
		}
	}
}

// A column of a format that did not read the event is NULL, whatever the event before had in it.
func TestFirstOf_nothingOfTheEventBefore(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40_000)
	for _, item := range []string{"GROUP_CONCAT(DISTINCT agent)", "COUNT(DISTINCT agent)", "COUNT(DISTINCT agent, host)", "MAX(LEFT(agent, 10))"} {
		o := DefaultOptions()
		o.Format = "first-of(combined,raw)"
		p, err := Compile("INSERT INTO t SELECT _format AS k, "+item+" AS a, COUNT(*) AS n FROM events GROUP BY k", o)
		if err != nil {
			t.Fatal(err)
		}
		f := p.NewFold()
		tally := feed(f, strings.Replace(line(200, "1"), `"x"`, `"`+long+`"`, 1), "hello", strings.Replace(line(200, "1"), `"x"`, "\"\xff\"", 1), "hello")
		if raw := tally.Counted + int64(len(tally.Dead)); raw != 4 || len(tally.Dead) > 2 {
			t.Errorf("%s: got %+v, expected that both lines of raw are counted", item, tally)
		}
		for _, d := range tally.Dead {
			if d.Offset%2 != 0 {
				t.Errorf("%s: the line of raw at offset %d is dead: %s", item, d.Offset, d.Reason)
			}
		}
	}
}

// A name with several types is an error at its place.
func TestFirstOf_conflictHasAPlace(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format = "first-of(combined,grok)"
	o.FormatString = "%{WORD:word} %{NUMBER:status}"
	const text = "INSERT INTO t SELECT host, COUNT(*) AS n FROM events WHERE LENGTH(status) > 2 GROUP BY host"
	_, err := Compile(text, o)
	if err == nil || !strings.Contains(err.Error(), "write combined.status or grok.status, or COALESCE(combined.status, CAST(grok.status AS SIGNED))") {
		t.Fatalf("got the error %v, expected the two columns", err)
	}
	if from, to, ok := Place(err); !ok || text[from:to] != "status" {
		t.Errorf("the place is %d to %d (%v), expected that of status", from, to, ok)
	}
	// So it is where a column of elements has the same name.
	const elements = "INSERT INTO t SELECT status, COUNT(*) AS n FROM events JOIN SPLIT(word, ',') AS status GROUP BY status"
	if _, err = Compile(elements, o); err == nil || !strings.Contains(err.Error(), "both events and status have such a column") {
		t.Errorf("got the error %v, expected one of the name status", err)
	}
}

// How a list is spelled does not change what it means; the order of its formats does.
func TestP2_fingerprintOfAList(t *testing.T) {
	t.Parallel()
	fingerprint := func(list string) [32]byte {
		o := DefaultOptions()
		o.Format = list
		p, err := Compile("INSERT INTO t SELECT _format, COUNT(*) AS n FROM events GROUP BY _format", o)
		if err != nil {
			t.Fatal(err)
		}
		hash, _ := p.Fingerprint()
		return hash
	}
	want := fingerprint("first-of(csv('a,b'),json,raw)")
	if fingerprint("first-of( csv(\"a,b\"),\n json, raw )") != want {
		t.Error("another spelling of a list has another fingerprint, expected the same")
	}
	for _, other := range []string{"first-of(json,csv('a,b'),raw)", "first-of(csv('a,c'),json,raw)", "first-of(x=csv('a,b'),json,raw)", "first-of(csv('a,b'),json)"} {
		if fingerprint(other) == want {
			t.Errorf("%s has the fingerprint of another list", other)
		}
	}
}

package query

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
)

// However functions that make longer texts are nested, a record cannot make a text that exhausts the memory: it is a
// dead letter.
func TestFunctions_largeTextsAreDead(t *testing.T) {
	t.Parallel()
	large := "REPEAT(body, 16000000)"
	for _, text := range []string{
		"HEX(" + large + ")", "CONCAT(" + large + ", body, " + large + ")", "CONCAT_WS(" + large + ", body, body, body)",
		"CONCAT_WS(body, " + large + ", " + large + ")", "TO_BASE64(" + large + ")", "REPLACE(" + large + ", body, 'ab')", "REPEAT(" + large + ", 2)",
	} {
		o := DefaultOptions()
		o.Format = "raw"
		p, err := Compile("INSERT INTO t SELECT 'all' AS k, COUNT(*) AS n FROM events WHERE LENGTH("+text+") > 0 GROUP BY k", o)
		if err != nil {
			t.Fatal(err)
		}
		var tally batch.Tally
		p.newFold().Add(part, []batch.Record{{Value: []byte("a")}}, &tally)
		if len(tally.Dead) != 1 || !strings.Contains(tally.Dead[0].Reason, "the result has more than 16777216 bytes") {
			t.Errorf("%s: got the dead letters %v, expected one for its length", text, tally.Dead)
		}
	}
}

// CONCAT of many arguments allocates no memory for a record.
func TestFunctions_manyArgumentsAllocateNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	many := strings.Repeat(", ' ', body", 20)
	for _, text := range []string{"CONCAT(body" + many + ")", "CONCAT_WS('-'" + many + ")", "CONCAT(body, ' ', CONCAT(body" + many + ")" + many + ")"} {
		o := DefaultOptions()
		o.Format = "raw"
		p, err := Compile("INSERT INTO t SELECT 'all' AS k, COUNT(*) AS n FROM events WHERE "+text+" IS NULL GROUP BY k", o)
		if err != nil {
			t.Fatal(err)
		}
		f := p.newFold()
		records := []batch.Record{{Value: []byte("a")}}
		var tally batch.Tally
		if n := testing.AllocsPerRun(20, func() { f.Add(part, records, &tally) }); n != 0 {
			t.Errorf("%.40s…: got %v allocations per record, expected 0", text, n)
		}
	}
}

package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
)

// P20: a dead letter is read back as it was written, whatever characters its texts and its value have. Written again,
// it is still one row. Without the column detail, the other columns are the same.
func TestP20_DeadLettersAreReadBack(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		const special = "\x00'\"\\\n\r\t\x1a%_` \u00e4\u4e16\U0001f600"
		dead := []batch.DeadLetter{
			{Partition: logs(1), Offset: 7, Statement: 2, Row: true, Table: "counts", Reason: special, Detail: "it's", Value: []byte(special), Length: 99, Records: 5},
			{Partition: logs(0), Offset: 9, Statement: -1, Reason: "not JSON", Value: []byte{0xff, 0x80, 0}},
			{Partition: logs(0), Offset: 8, Statement: 0, Reason: "invalid \xff text", Detail: special},
			{Partition: logs(0), Offset: 8, Statement: -1, Reason: "long", Value: bytes.Repeat([]byte{1}, 101), Length: 101},
		}
		slices.SortFunc(dead, CompareDeadLetters)
		write := func(details bool) {
			t.Helper()
			head, tail := DeadLetterText(details)
			text := []byte(head)
			for i := range dead {
				if i > 0 {
					text = append(text, ',')
				}
				text = f.AppendDeadLetter(text, checkpoint.BatchID{4, 2}, &dead[i], 100, details, 1<<20)
			}
			if _, err := f.SQL.Exec(string(append(text, tail...))); err != nil {
				t.Fatal(err)
			}
		}
		columns := "partition_id, record_offset, statement, HEX(batch_id), kind, table_name, HEX(reason), HEX(value), value_length, records, next_offset"
		hex := func(text string) string { return strings.ToUpper(fmt.Sprintf("%x", text)) }
		want := []string{
			"0 8 -1 04020000000000000000000000000000 record  " + hex("long") + " " + strings.Repeat("01", 100) + " 101 1 9",
			"0 8 0 04020000000000000000000000000000 record  " + hex("invalid \uFFFD text") + "  0 1 9",
			"0 9 -1 04020000000000000000000000000000 record  " + hex("not JSON") + " FF8000 3 1 10",
			"1 7 2 04020000000000000000000000000000 row counts " + hex(special) + " " + hex(special) + " 99 5 8",
		}
		details := []string{"", " " + hex(special), "", " " + hex("it's")}
		for _, withDetails := range []bool{true, true, false} {
			write(withDetails)
			got := strings.Split(f.Text(t, "SELECT "+columns+" FROM etl_dead_letter WHERE job = 'job' AND topic = 'logs' ORDER BY 1, 2, 3"), "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("details %v: expected (-) and got (+) differ:\n%s", withDetails, diff)
			}
			got = strings.Split(f.Text(t, "SELECT CASE WHEN detail = '' THEN '' ELSE CONCAT(' ', HEX(detail)) END FROM etl_dead_letter ORDER BY partition_id, record_offset, statement"), "\n")
			if diff := cmp.Diff(details, got); diff != "" {
				t.Errorf("details %v: expected (-) and got (+) differ in the details:\n%s", withDetails, diff)
			}
		}
	})
}

// P20: if even the reason does not fit, it is cut, after the value and the detail.
func TestP20_TheReasonIsCutLast(t *testing.T) {
	t.Parallel()
	const keep = 64 << 10
	l := New("job", nil)
	d := batch.DeadLetter{Reason: strings.Repeat("r", 1024), Detail: strings.Repeat("d", 1024)}
	value := bytes.Repeat([]byte{7}, 5000)
	for _, details := range []bool{false, true} {
		d.Value = nil
		d.Length = int64(len(value))
		whole := len(l.AppendDeadLetter(nil, checkpoint.BatchID{1}, &d, keep, details, 1<<20))
		short := whole // short has no detail
		if details {
			short -= len(d.Detail)
		}
		d.Value = value
		for room := 400; room < 15_000; room += 50 {
			text := l.AppendDeadLetter([]byte("before"), checkpoint.BatchID{1}, &d, keep, details, room)
			size := len(text) - len("before")
			if size > room {
				t.Fatalf("%d bytes in room for %d", size, room)
			}
			if cut := !bytes.Contains(text, []byte(d.Reason)); cut != (room < short) {
				t.Errorf("room for %d: the reason is cut: %v, expected %v", room, cut, room < short)
			}
			if cut := !bytes.Contains(text, []byte(d.Detail)); details && cut != (room < whole) {
				t.Errorf("room for %d: the detail is cut: %v, expected %v", room, cut, room < whole)
			}
			if cut := !bytes.Contains(text, bytes.Repeat([]byte("07"), 5000)); cut != (room < whole+10_000) {
				t.Errorf("room for %d: the value is cut: %v, expected %v", room, cut, room < whole+10_000)
			}
		}
	}
}

// Dead letters expire by age, in batches, except those of kind skipped, and only those of the job.
func TestPruneDeadLetters(t *testing.T) {
	t.Parallel()
	f := open(t, mariadbtest.Start(t))
	const some = "INSERT INTO etl_dead_letter (job, topic, partition_id, record_offset, batch_id, statement, kind, table_name, reason, value, value_length, next_offset, at) "
	insert := func(job, kind string, n int, age string) {
		t.Helper()
		var rows []string
		for i := range n {
			rows = append(rows, fmt.Sprintf("('%s', 'logs', 0, %d, x'%032x', 0, '%s', '', '%s', '', 0, 0, UTC_TIMESTAMP(6) - INTERVAL %s)", job, i, len(kind+age), kind, age, age))
		}
		f.Exec(t, some+"VALUES "+strings.Join(rows, ","))
	}
	insert("job", "record", 2001, "61 MINUTE")
	insert("job", "row", 3, "59 MINUTE")
	insert("job", "skipped", 2, "61 MINUTE")
	insert("other job", "record", 1, "61 MINUTE")
	if n, err := f.PruneDeadLetters(t.Context(), time.Hour); err != nil || n != 2001 {
		t.Errorf("pruned %d, %v, expected 2001", n, err)
	}
	want := "job row 3\njob skipped 2\nother job record 1"
	if got := f.Text(t, "SELECT job, kind, COUNT(*) FROM etl_dead_letter GROUP BY job, kind ORDER BY 1, 2"); got != want {
		t.Errorf("left are\n%s\nexpected\n%s", got, want)
	}
	if n, err := f.PruneDeadLetters(t.Context(), time.Hour); err != nil || n != 0 {
		t.Errorf("pruned %d, %v, expected none", n, err)
	}
}

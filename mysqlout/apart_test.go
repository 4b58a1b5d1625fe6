package mysqlout

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/row"
)

// extremesTable returns the table extremes(item, n, m): a count and a maximum.
func extremesTable() row.Table {
	return row.Table{Name: "extremes", Grouped: true, Keys: 1, Columns: []row.Column{
		{Name: "item", Kind: row.Text, Merge: row.Key, MaxChars: 200},
		{Name: "n", Kind: row.Int, Merge: row.Add},
		{Name: "m", Kind: row.Int, Merge: row.Max, Nullable: true},
	}}
}

// apart returns one row for each value, of records with offsets from 0 of partition 0, all with the same key.
func apart(table *row.Table, key string, values ...int64) row.Delta {
	r := row.NewRows(table)
	for offset, v := range values {
		i := r.AddSeparate(textKey("%s", key), row.Origin{Offset: int64(offset)})
		r.Cells(i)[0], r.Cells(i)[1] = cell(1), cell(v)
	}
	return row.Delta{Tables: []*row.Rows{r}}
}

func merged(table *row.Table, key string, n, m int64) row.Delta {
	r := row.NewRows(table)
	i, _ := r.Find(textKey("%s", key))
	r.Cells(i)[0], r.Cells(i)[1] = cell(n), cell(m)
	return row.Delta{Tables: []*row.Rows{r}}
}

func refusedBy(t *testing.T, err error) []batch.RejectedRow {
	t.Helper()
	refused, ok := errors.AsType[*batch.RejectedRows](err)
	if !ok {
		t.Fatalf("error is %v, expected rejected rows", err)
	}
	return refused.Rows
}

// P18: for a merged row, the sink reports that it is merged. For separate rows it names exactly the records at fault,
// whether the row is new or already stored.
func TestP18_SeparateRowsNameTheRecordAtFault(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	for name, ddl := range map[string]string{
		"CHECK": "ALTER TABLE extremes ADD CHECK (m <> 7)",
		"trigger whose text names another row": "CREATE TRIGGER bad BEFORE INSERT ON extremes FOR EACH ROW IF NEW.m = 7 THEN " +
			"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seven at row 1'; END IF",
		"trigger with an error number of its own": "CREATE TRIGGER bad BEFORE INSERT ON extremes FOR EACH ROW IF NEW.m = 7 THEN " +
			"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 31234, MESSAGE_TEXT = 'seven'; END IF",
		"trigger on the stored row": "CREATE TRIGGER bad BEFORE UPDATE ON extremes FOR EACH ROW IF NEW.m = 7 THEN " +
			"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'seven'; END IF",
		"generated column out of range": "ALTER TABLE extremes ADD g TINYINT AS (m * 20) STORED",
	} {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", stored ", stored), func(t *testing.T) {
				t.Parallel()
				table := extremesTable()
				f := open(t, server, testConfig(), table)
				f.Exec(t, ddl)
				f.prepare(t, table)
				at := mustClaim(t, f.sink, 0)
				if !stored && strings.Contains(ddl, "UPDATE") {
					return // a new row is not updated
				}
				if stored {
					if err := f.sink.Commit(t.Context(), taskBatch(9, 1, merged(&table, "a", 1, 1), at...)); err != nil {
						t.Fatal(err)
					}
					at = advance(at, 1)
				}
				rows := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(1, 300, merged(&table, "a", 300, 7), at...)))
				if len(rows) != 1 || !rows[0].Merged || rows[0].Source != nil {
					t.Fatalf("rejected %+v, expected one merged row", rows)
				}
				values := make([]int64, 300)
				for i := range values {
					values[i] = int64(i%6 + 1)
				}
				values[123] = 7
				rows = refusedBy(t, f.sink.Commit(t.Context(), taskBatch(2, 300, apart(&table, "a", values...), at...)))
				if len(rows) != 1 || rows[0].Merged || rows[0].Source == nil {
					t.Fatalf("rejected %+v, expected one record", rows)
				}
				if got := *rows[0].Source; got != (batch.RecordID{Partition: at[0].Partition, Offset: 123}) {
					t.Errorf("the record at fault is %+v, expected offset 123", got)
				}
				values = append(values[:123], values[124:]...)
				if err := f.sink.Commit(t.Context(), taskBatch(3, 300, apart(&table, "a", values...), at...)); err != nil {
					t.Fatal(err)
				}
				want := "a 299 6"
				if stored {
					want = "a 300 6"
				}
				if got := f.Text(t, "SELECT item, n, m FROM extremes"); got != want {
					t.Errorf("stored is %s, expected %s", got, want)
				}
			})
		}
	}
}

// P19: if each record's own row is accepted and only the total is not, no record is at fault, whether the rows are
// merged or separate.
func TestP19_AConstraintOnATotalBlocks(t *testing.T) {
	t.Parallel()
	table := extremesTable()
	f := open(t, mariadbtest.Start(t), testConfig(), table)
	f.Exec(t, "ALTER TABLE extremes ADD CONSTRAINT few CHECK (n < 10)")
	f.prepare(t, table)
	at := mustClaim(t, f.sink, 0)
	rows := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(1, 12, merged(&table, "a", 12, 1), at...)))
	if len(rows) != 1 || !rows[0].Merged {
		t.Fatalf("rejected %+v, expected one merged row", rows)
	}
	p := taskBatch(2, 12, apart(&table, "a", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), at...)
	if err := f.sink.Commit(t.Context(), p); !errors.Is(err, checkpoint.ErrBlocked) {
		t.Fatalf("error is %v, expected blocked", err)
	}
	f.Exec(t, "INSERT INTO extremes VALUES ('a', 9, 1)")
	for _, delta := range []row.Delta{merged(&table, "a", 3, 1), apart(&table, "a", 1, 2, 3)} {
		if err := f.sink.Commit(t.Context(), taskBatch(3, 3, delta, at...)); !errors.Is(err, checkpoint.ErrBlocked) {
			t.Errorf("error is %v, expected blocked", err)
		}
	}
	f.Exec(t, "ALTER TABLE extremes DROP CONSTRAINT few")
	if err := f.sink.Commit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := f.Text(t, "SELECT item, n, m FROM extremes"); got != "a 21 12" {
		t.Errorf("stored is %s, expected %q", got, "a 21 12")
	}
}

// P18: a row without a partition, or without a parent row, is at fault itself; the others of the batch are accepted.
// etl check warns of such tables.
func TestP18_RowsWithoutAPartitionOrParent(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	const counts = "CREATE TABLE counts (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY, n BIGINT NOT NULL) CHARSET utf8mb4"
	for name, test := range map[string]struct{ ddl, code, warning string }{
		"RANGE COLUMNS": {counts + " PARTITION BY RANGE COLUMNS (item) (PARTITION a VALUES LESS THAN ('m'))", "1526", "partitioned by RANGE COLUMNS"},
		"LIST COLUMNS":  {counts + " PARTITION BY LIST COLUMNS (item) (PARTITION a VALUES IN ('a', 'b'))", "1526", "partitioned by LIST COLUMNS"},
		"foreign key": {"CREATE TABLE parent (item VARCHAR(200) COLLATE utf8mb4_nopad_bin PRIMARY KEY) CHARSET utf8mb4; INSERT INTO parent VALUES ('a'), ('b'); " +
			counts + "; ALTER TABLE counts ADD CONSTRAINT fk FOREIGN KEY (item) REFERENCES parent (item)", "1452", "foreign key fk (parent)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := sqltest.CountsTable()
			f := open(t, server, testConfig())
			f.Exec(t, strings.Split(test.ddl, "; ")...)
			f.prepare(t, table)
			if warned := fmt.Sprint(findingsOf(t, f.sink, table)); !strings.Contains(warned, test.warning) {
				t.Errorf("findings are %s, expected %q", warned, test.warning)
			}
			at := mustClaim(t, f.sink, 0)
			rows := refusedBy(t, f.sink.Commit(t.Context(), taskBatch(1, 4, countsDelta(&table, map[string]int64{"a": 1, "b": 2, "z": 1}), at...)))
			if len(rows) != 1 || string(rows[0].Key) != string(textKey("z")) || !strings.Contains(rows[0].Reason, test.code) {
				t.Fatalf("rejected %+v, expected z by %s", rows, test.code)
			}
			if merged := test.code != "1526"; rows[0].Merged != merged {
				t.Errorf("merged is %v, expected %v: a partition is chosen by the key, which all records of the row have", rows[0].Merged, merged)
			}
			r := row.NewRows(&table)
			for offset, key := range []string{"z", "a"} {
				r.Cells(r.AddSeparate(textKey("%s", key), row.Origin{Offset: int64(offset)}))[0] = cell(1)
			}
			rows = refusedBy(t, f.sink.Commit(t.Context(), taskBatch(2, 2, row.Delta{Tables: []*row.Rows{r}}, at...)))
			if len(rows) != 1 || rows[0].Source == nil || rows[0].Source.Offset != 0 {
				t.Errorf("rejected %+v, expected the record at offset 0", rows)
			}
		})
	}
}

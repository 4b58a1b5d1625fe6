package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sluice-etl/sluice/batch"
	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/fold/format"
	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/query/parse"
	"github.com/sluice-etl/sluice/row"
)

// answer is the result of an expression for one row on one side.
type answer struct {
	set      bool
	text     string
	rejected string // ours: the dead letter's reason. Theirs: the error, or the first warning
	failed   bool   // theirs: it was an error
}

func (a answer) String() string {
	switch {
	case a.rejected != "" && a.set && !a.failed:
		return fmt.Sprintf("%q with %s", a.text, a.rejected)
	case a.rejected != "":
		return "rejected: " + a.rejected
	case !a.set:
		return "NULL"
	}
	return fmt.Sprintf("%q", a.text)
}

// diffFormat returns the diffColumns of the row whose number is the record's body.
type diffFormat struct{ rows []diffRow }

func (f *diffFormat) Column(path []string) (c format.Column, ok bool) {
	for i := range diffColumns {
		if len(path) == 1 && path[0] == diffColumns[i].name {
			return format.Column{Type: diffColumns[i].typ, Slot: i}, true
		}
	}
	return c, false
}
func (f *diffFormat) Names() []string                 { return nil }
func (f *diffFormat) NewParser() (format.Parser, int) { return f, len(diffColumns) }

func (f *diffFormat) Start(body []byte, r *format.Fields) (bool, error) {
	n, err := strconv.Atoi(string(body))
	if err != nil {
		return false, err
	}
	for i := range diffColumns {
		r.Values[i] = f.rows[n].value(i)
	}
	return true, nil
}
func (f *diffFormat) Next(*format.Fields) (bool, error) { return false, nil }

// compile compiles a statement over diffFormat.
func (f *diffFormat) compile(text string) (*Plan, error) {
	o := DefaultOptions()
	o.TimeZone = time.UTC
	p := &Plan{options: o, format: f}
	parts := parse.Split(text)
	if len(parts) != 1 {
		return nil, fmt.Errorf("%q has %d statements, expected 1", text, len(parts))
	}
	prog, err := p.compile(0, parts[0])
	if err != nil {
		return nil, err
	}
	p.programs = []*program{prog}
	if p.tables, err = wanted(p.programs); err != nil {
		return nil, err
	}
	return p, p.Bind(p.Tables())
}

// recordTime is the timestamp in Kafka of a row's record, in milliseconds. Some rows have the same.
func recordTime(i int) int64 { return 1_700_000_000_000 + int64(i*7%11) }

func (f *diffFormat) record(i int) batch.Record {
	in := batch.Record{Offset: int64(i), Timestamp: recordTime(i), Value: strconv.AppendInt(nil, int64(i), 10)}
	for c := range diffColumns {
		if v := f.rows[i][c]; diffColumns[c].header && v != nil {
			in.Headers = append(in.Headers, batch.Header{Key: diffColumns[c].name, Value: []byte(*v)})
		}
	}
	return in
}

// fold runs a plan over some rows. dead holds the reasons by row.
func (f *diffFormat) fold(p *Plan, rows []int) (out *row.Rows, dead map[int]string) {
	run := p.newFold()
	run.Explain()
	records := make([]batch.Record, len(rows))
	for i, n := range rows {
		records[i] = f.record(n)
	}
	var tally batch.Tally
	run.Add(checkpoint.Partition{Topic: "t"}, records, &tally)
	dead = map[int]string{}
	for _, d := range tally.Dead {
		dead[int(d.Offset)] = d.Reason
	}
	out = run.Take().Tables[0]
	out.DeriveFolded()
	return out, dead
}

// evaluate computes a SELECT item for some rows.
func (f *diffFormat) evaluate(p *Plan, rows []int) []answer {
	out, dead := f.fold(p, rows)
	answers := make([]answer, len(rows))
	at := 0
	for i, n := range rows {
		if reason, is := dead[n]; is {
			answers[i].rejected = reason
			continue
		}
		answers[i] = cellAnswer(out, &out.Cells(at)[0], &out.Table.Columns[out.Table.Keys])
		at++
	}
	return answers
}

func cellAnswer(rows *row.Rows, cell *row.Cell, c *row.Column) answer {
	if !cell.Set {
		return answer{}
	}
	if c.Kind == row.Text || c.Kind == row.Bytes {
		return answer{set: true, text: string(rows.Bytes(cell))}
	}
	return answer{set: true, text: cellText(value.Value{Number: cell.Number, Set: true}, c)}
}

// diffServer is the server's side.
type diffServer struct {
	conn *sql.Conn
}

func startDiffServer(t *testing.T) *diffServer {
	t.Helper()
	s := mariadbtest.Start(t)
	cfg, err := mysql.ParseDSN(s.DSN(s.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MultiStatements = true
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := &diffServer{conn}
	var version string
	if err := conn.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(version, "MariaDB") {
		t.Skip("NOT RUN: the documented differences are those from MariaDB, the server is " + version)
	}
	d.exec(t, "SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin")
	d.exec(t, "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE', sql_notes = 0, max_error_count = 65535")
	for i, name := range diffZones {
		d.exec(t, zoneTables(t, 7000+i, name))
	}
	var columns []string
	for _, c := range diffColumns {
		columns = append(columns, c.name+" "+c.theirs)
	}
	d.exec(t, "CREATE TABLE v (id INT PRIMARY KEY, "+strings.Join(columns, ", ")+")")
	return d
}

// diffZones are the zones that CONVERT_TZ is tested with.
var diffZones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"}

// zoneTables returns statements that give the server a zone until 2037: its name, its changes and its offsets. An
// installation has no zones until its administrator loads them. Tests share a server, so a row may exist.
func zoneTables(t *testing.T, id int, name string) string {
	t.Helper()
	zone := location(t, name)
	var changes, types []string
	at := time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC).In(zone)
	for {
		_, offset := at.Zone()
		kind := fmt.Sprintf("(%d, %%d, %d, %t, '')", id, offset, at.IsDST())
		n := slices.Index(types, kind)
		if n < 0 {
			n = len(types)
			types = append(types, kind)
		}
		changes = append(changes, fmt.Sprintf("(%d, %d, %d)", id, at.Unix(), n))
		_, next := at.ZoneBounds()
		if next.IsZero() || next.Year() > 2037 {
			break
		}
		at = next.In(zone)
	}
	for n := range types {
		types[n] = fmt.Sprintf(types[n], n)
	}
	return fmt.Sprintf("INSERT IGNORE INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (%d, 'N'); INSERT IGNORE INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('%s', %d); "+
		"INSERT IGNORE INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) VALUES %s; "+
		"INSERT IGNORE INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) VALUES %s", id, name, id, strings.Join(types, ", "), strings.Join(changes, ", "))
}

func (d *diffServer) exec(t *testing.T, text string) {
	t.Helper()
	if _, err := d.conn.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%.300s: %v", text, err)
	}
}

// load replaces the table's rows.
func (d *diffServer) load(t *testing.T, rows []diffRow) {
	t.Helper()
	lines := make([]string, len(rows))
	for n, r := range rows {
		line := []string{strconv.Itoa(n)}
		for i := range r {
			line = append(line, r.literal(i))
		}
		lines[n] = "(" + strings.Join(line, ", ") + ")"
	}
	d.exec(t, "DELETE FROM v")
	d.exec(t, "INSERT INTO v VALUES "+strings.Join(lines, ",\n"))
}

// query runs a statement and returns its rows, its warnings, and its error.
func (d *diffServer) query(ctx context.Context, text string) (lines [][]sql.NullString, warnings []string, rejected error, err error) {
	rows, err := d.conn.QueryContext(ctx, text+"; SHOW WARNINGS")
	if err == nil {
		defer rows.Close()
		lines, err = scanAll(rows)
		if err == nil && rows.NextResultSet() {
			var w [][]sql.NullString
			w, err = scanAll(rows)
			for _, line := range w {
				warnings = append(warnings, line[2].String)
			}
		}
	}
	if bad, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return nil, nil, bad, nil
	}
	return lines, warnings, nil, err
}

func scanAll(rows *sql.Rows) (lines [][]sql.NullString, err error) {
	columns, err := rows.Columns()
	for err == nil && rows.Next() {
		line := make([]sql.NullString, len(columns))
		to := make([]any, len(line))
		for i := range line {
			to[i] = &line[i]
		}
		err = rows.Scan(to...)
		lines = append(lines, line)
	}
	return lines, errors.Join(err, rows.Err())
}

// one computes an expression for one row of v.
func (d *diffServer) one(t *testing.T, expr string, id int) answer {
	t.Helper()
	return d.oneOf(t, "v", expr, id)
}

func (d *diffServer) oneOf(t *testing.T, table, expr string, id int) answer {
	t.Helper()
	lines, warnings, rejected, err := d.query(t.Context(), fmt.Sprintf("SELECT %s FROM %s WHERE id = %d", expr, table, id))
	switch {
	case err != nil:
		t.Fatalf("%s: %v", expr, err)
	case rejected != nil:
		return answer{rejected: rejected.Error(), failed: true}
	}
	a := answer{set: lines[0][0].Valid, text: lines[0][0].String}
	for _, w := range warnings {
		if !cutsAsAsked(w) && a.rejected == "" {
			a.rejected = w
		}
	}
	return a
}

// cutsAsAsked reports whether a warning is that of CAST(x AS CHAR(n)), which truncates on both sides, that of
// FROM_BASE64, which is NULL on both sides, or that of IS_IPV4_MAPPED, which is 0 on both sides.
func cutsAsAsked(warning string) bool {
	return strings.HasPrefix(warning, "Truncated incorrect CHAR(") || strings.HasPrefix(warning, "Bad base64 data") || strings.HasPrefix(warning, "Incorrect inet6 value")
}

// agree compares two answers, neither of which is rejected.
func agree(ours, theirs answer, is place) bool {
	if ours.set != theirs.set || ours.text == theirs.text {
		return ours.set == theirs.set
	}
	if is == anApproximation {
		f, err1 := strconv.ParseFloat(ours.text, 64)
		g, err2 := strconv.ParseFloat(theirs.text, 64)
		return err1 == nil && err2 == nil && math.Abs(f-g) <= max(2e-15*math.Abs(g), 5e-324)
	}
	if is == aDouble {
		f, err1 := strconv.ParseFloat(ours.text, 64)
		g, err2 := strconv.ParseFloat(theirs.text, 64)
		return err1 == nil && err2 == nil && (f == g || math.IsNaN(f) && math.IsNaN(g))
	}
	return false
}

package sqltext

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask evaluates expressions in a session of the pool, for which literals are written.
func ask(t *testing.T, tx *pool.Tx, expressions ...string) []string {
	t.Helper()
	out, to := make([]string, len(expressions)), make([]any, len(expressions))
	for i := range out {
		to[i] = &out[i]
	}
	text := "SELECT " + strings.Join(expressions, ", ")
	if err := tx.Query(t.Context(), text, func(scan func(...any) error) error { return scan(to...) }); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return out
}

func begin(t *testing.T, p *pool.Pool) *pool.Tx {
	t.Helper()
	tx, err := p.Tx(t.Context(), pool.PriorityHigh)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback(t.Context()) })
	return tx
}

// texts returns all single characters up to U+00FF, characters that are escaped next to each other, the first and last
// characters of each length of UTF-8, and lengths around the limits of a buffer and of a packet's length.
func texts() (out []string) {
	for r := rune(0); r <= 0xff; r++ {
		out = append(out, string(r), "a"+string(r)+"b")
	}
	for _, a := range "\x00'\"\\\n\r\t\x1a%_`\x08" {
		for _, b := range "\x00'\"\\0nrZ%_" {
			out = append(out, string(a)+string(b))
		}
	}
	for _, r := range []rune{0x7f, 0x80, 0x7ff, 0x800, 0x5c27, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x1f600, 0x10ffff} {
		out = append(out, string(r), string(r)+"'", "\\"+string(r))
	}
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 20} {
		out = append(out, strings.Repeat("x", n), strings.Repeat("'", n), strings.Repeat("\\", n))
	}
	return out
}

// Every text and every binary string is read back byte for byte, as the value of a literal and from a column.
func TestLiterals_textAndBytes(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	tx := begin(t, db.Pool)
	for _, v := range texts() {
		for _, literal := range []string{string(AppendText(nil, v)), string(AppendText(nil, []byte(v))), string(AppendBytes(nil, []byte(v)))} {
			if got := ask(t, tx, "HEX("+literal+")")[0]; got != strings.ToUpper(hex.EncodeToString([]byte(v))) {
				t.Errorf("%.80s: got %.80s, expected the bytes of %.40q", literal, got, v)
			}
		}
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	if got := ask(t, tx, "HEX("+string(AppendBytes(nil, every))+")")[0]; got != strings.ToUpper(hex.EncodeToString(every)) {
		t.Errorf("all bytes: got %s, expected %x", got, every)
	}
	db.Exec(t, "CREATE TABLE kept (v LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL)")
	const all = "\x00'\"\\\n\r\t\x1a%_`\u00e4\u4e16\U0001f600"
	if _, err := tx.Exec(t.Context(), "INSERT INTO kept VALUES ("+string(AppendText(nil, all))+")"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, tx, "(SELECT HEX(v) FROM kept)")[0]; got != strings.ToUpper(hex.EncodeToString([]byte(all))) {
		t.Errorf("the column holds %s, expected %x", got, all)
	}
}

// The embedded server reads texts and binary strings in the same way.
func TestLiterals_embedded(t *testing.T) {
	tx := begin(t, sqltest.Embedded(t).Pool)
	for _, v := range []string{"", "\x00'\"\\\n\r\t\x1a%_`", "\u00e4\u4e16\U0001f600", "a\\", "'"} {
		for _, literal := range []string{string(AppendText(nil, v)), string(AppendBytes(nil, []byte(v)))} {
			if got := ask(t, tx, "HEX("+literal+")")[0]; got != strings.ToUpper(hex.EncodeToString([]byte(v))) {
				t.Errorf("%s: got %s, expected the bytes of %q", literal, got, v)
			}
		}
	}
}

// A name with any character is that of the table and of the column which is created with it. The server itself allows
// no zero character, and none beyond U+FFFF.
func TestAppendName(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	for i, name := range []string{"a", "a`b", "``", "select", "a.b", "a'b\"c", "a\\", "\u00e4\u4e16", "a b", "%_", strings.Repeat("x", 64)} {
		table := row.Table{Schema: db.Name, Name: fmt.Sprint(name[:min(len(name), 60)], i)}
		if i%2 == 0 {
			table.Schema = ""
		}
		quoted, column := string(AppendTableName(nil, &table)), string(AppendName(nil, name))
		db.Exec(t, "CREATE TABLE "+quoted+" ("+column+" INT)", "INSERT INTO "+quoted+" ("+column+") VALUES (7)")
		got := db.Text(t, "SELECT c.column_name FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = "+string(AppendText(nil, table.Name)))
		if got != name {
			t.Errorf("table %q has the column %q, expected %q", table.Name, got, name)
		}
	}
}

// Times and numbers are read back exactly, from columns as Sluice creates them.
func TestAppendCell_numbersAndTimes(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t, mariadbtest.Start(t))
	tx := begin(t, db.Pool)
	rows := row.NewRows(&row.Table{Columns: []row.Column{{}}})
	cellText := func(c row.Column, cell row.Cell) string { return string(AppendCell(nil, rows, &c, &cell)) }
	if got := cellText(row.Column{Kind: row.Int}, row.Cell{}); got != "NULL" {
		t.Errorf("a cell without a value is %s, expected NULL", got)
	}
	for _, n := range []int64{0, 1, -1, 10, -10, math.MaxInt64, math.MinInt64} {
		cell := row.Cell{Number: row.FromInt(n), Set: true}
		if got := ask(t, tx, "CAST("+cellText(row.Column{Kind: row.Int}, cell)+" AS CHAR)")[0]; got != fmt.Sprint(n) {
			t.Errorf("the server reads %s, expected %d", got, n)
		}
		want := fmt.Sprintf("%d.%02d", n/100, max(n%100, -(n%100)))
		if n < 0 && n > -100 {
			want = "-" + want
		}
		if got := ask(t, tx, "CAST("+cellText(row.Column{Kind: row.Decimal, Scale: 2}, cell)+" AS DECIMAL(38,2))")[0]; got != want {
			t.Errorf("%d hundredths: the server reads %s, expected %s", n, got, want)
		}
	}
	for _, at := range []time.Time{
		time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Unix(0, 0),
		time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	} {
		cell := row.Cell{Number: row.FromInt(at.UnixMicro()), Set: true}
		want := at.UTC().Format("2006-01-02 15:04:05.000000")
		if got := ask(t, tx, "CAST(CAST("+cellText(row.Column{Kind: row.Datetime}, cell)+" AS DATETIME(6)) AS CHAR)")[0]; got != want {
			t.Errorf("%v: the server reads %s, expected %s", at, got, want)
		}
	}
	db.Exec(t, "CREATE TABLE doubles (v DOUBLE NOT NULL)")
	for _, f := range []float64{0, 1, -1, 0.1, 1.0 / 3, math.Pi, 1e300, -1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 123456789.123456789} {
		cell := row.Cell{Number: row.Number{Lo: math.Float64bits(f)}, Set: true}
		var got float64
		if _, err := tx.Exec(t.Context(), "INSERT INTO doubles VALUES ("+cellText(row.Column{Kind: row.Double}, cell)+")"); err != nil {
			t.Fatal(err)
		}
		if err := tx.Query(t.Context(), "SELECT v FROM doubles", func(scan func(...any) error) error { return scan(&got) }); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "DELETE FROM doubles"); err != nil {
			t.Fatal(err)
		}
		if math.Float64bits(got) != math.Float64bits(f) {
			t.Errorf("the server returns %v, expected %v", got, f)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		cell := row.Cell{Number: row.Number{Lo: math.Float64bits(f)}, Set: true}
		if _, err := tx.Exec(t.Context(), "INSERT INTO doubles VALUES ("+cellText(row.Column{Kind: row.Double}, cell)+")"); err == nil {
			t.Errorf("%v is stored, expected an error", f)
		}
	}
}

// A key is read part by part, and each part is the value that was encoded. The scratch memory may be too short.
func TestAppendKeyPart(t *testing.T) {
	t.Parallel()
	columns := []row.Column{{Kind: row.Int}, {Kind: row.Decimal, Scale: 3}, {Kind: row.Text}, {Kind: row.Datetime}, {Kind: row.Bytes}}
	key := row.AppendKeyNumber(nil, row.FromInt(-5))
	key = row.AppendKeyNumber(key, row.FromInt(1234567))
	key = row.AppendKeyBytes(key, []byte("a\x00b'\x01\\"))
	key = row.AppendKeyDatetime(key, time.Date(2026, 1, 2, 3, 4, 5, 60_000, time.UTC).UnixMicro())
	key = row.AppendKeyBytes(key, []byte{0, 1, 0xff})
	for _, scratch := range [][]byte{nil, make([]byte, 0, 64)} {
		got, rest := []byte(nil), bytes.Clone(key)
		for i := range columns {
			got, rest = AppendKeyPart(append(got, ' '), &columns[i], rest, scratch)
		}
		const want = ` -5 1234.567 'a\0b\'` + "\x01" + `\\' '2026-01-02 03:04:05.000060' x'0001ff'`
		if string(got) != want || len(rest) != 0 {
			t.Errorf("got %q and %d more bytes, expected %q", got, len(rest), want)
		}
	}
}

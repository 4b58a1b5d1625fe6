package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// The bounds that are known without a server equal those of tables that a server created.
func TestCreated_boundsMatchTheServer(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	grouped := row.Table{Name: "grouped", Grouped: true, Keys: 6, Columns: []row.Column{
		{Name: "k_int", Kind: row.Int}, {Name: "k_decimal", Kind: row.Decimal, Precision: 20, Scale: 5}, {Name: "k_time", Kind: row.Datetime, Scale: 3},
		{Name: "k_short", Kind: row.Text, MaxChars: 30}, {Name: "k_text", Kind: row.Text}, {Name: "k_bytes", Kind: row.Bytes},
		{Name: "n", Kind: row.Int, Merge: row.Add}, {Name: "total", Kind: row.Decimal, Merge: row.Add, Precision: 38, Scale: 6, Nullable: true},
		{Name: "least", Kind: row.Int, Merge: row.Min, Nullable: true}, {Name: "most", Kind: row.Decimal, Merge: row.Max, Precision: 38, Scale: 30},
		{Name: "wide", Kind: row.Double, Merge: row.Max}, {Name: "last_seen", Kind: row.Datetime, Merge: row.Max}, {Name: "first_seen", Kind: row.Datetime, Scale: 6, Merge: row.Min},
		{Name: "longest", Kind: row.Text, Merge: row.Max, Nullable: true}, {Name: "bytes", Kind: row.Bytes, Merge: row.Max},
		{Name: "flags", Kind: row.Int, Merge: row.BitOr},
	}}
	plain := row.Table{Name: "plain", Keys: 1, Columns: []row.Column{
		{Name: "_offset", Kind: row.Int}, {Name: "body", Kind: row.Text, Merge: row.Plain}, {Name: "bytes", Kind: row.Bytes, Merge: row.Plain, Nullable: true},
		{Name: "x", Kind: row.Double, Merge: row.Plain}, {Name: "short", Kind: row.Text, Merge: row.Plain, MaxChars: 3},
	}}
	want := []row.Table{grouped, plain}
	f := open(t, server, want...)
	if is := f.Version(t); is.Dialect == pool.MySQL && !is.AtLeast(8, 0) {
		t.Skip("NOT RUN: MySQL 5.7 bounds texts in bytes")
	}
	tables := f.accepted(t, want...)
	if diff := cmp.Diff(tables, Created(want), cmp.Comparer(func(a, b row.Merge) bool { return a == b })); diff != "" {
		t.Errorf("the server's bounds (-) and those that are expected of it (+) differ:\n%s", diff)
	}
	if c := tables[0].Columns; c[4].MaxChars == 0 || c[13].MaxBytes != 65535 || c[8].MaxInt == 0 {
		t.Errorf("bounds are missing: got %+v, expected those of k_text, longest and least", tables[0])
	}
}

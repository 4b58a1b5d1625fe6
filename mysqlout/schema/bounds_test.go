package schema

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// The last instants of TIMESTAMP, in microseconds: of most servers, and of MariaDB from 11.5 on.
const (
	last2038 = 1<<31*1_000_000 - 1
	last2106 = 1<<32*1_000_000 - 1
)

// P18: the bounds that Check returns are those of the real columns.
func TestP18_BoundsOfTheColumns(t *testing.T) {
	t.Parallel()
	server := mariadbtest.Start(t)
	key := row.Column{Name: "k", Kind: row.Int, Merge: row.Key}
	for ddl, want := range map[string]row.Column{
		"TIMESTAMP NULL":                   {Kind: row.Datetime, MinInt: 1_000_000, MaxInt: 2147483647_999999},
		"TIMESTAMP(3) NULL":                {Kind: row.Datetime, Scale: 3, MinInt: 1_000_000, MaxInt: 2147483647_999999},
		"DATETIME(6)":                      {Kind: row.Datetime, Scale: 6},
		"TINYINT":                          {Kind: row.Int, MinInt: -128, MaxInt: 127},
		"MEDIUMINT UNSIGNED":               {Kind: row.Int, MaxInt: 1<<24 - 1, Unsigned: true},
		"BIGINT UNSIGNED":                  {Kind: row.Int, MaxInt: math.MaxInt64, Unsigned: true},
		"DECIMAL(5,2)":                     {Kind: row.Decimal, Scale: 2, Precision: 5},
		"DECIMAL(5,2) UNSIGNED":            {Kind: row.Decimal, Scale: 2, Precision: 5, Unsigned: true},
		"DECIMAL(3,0) UNSIGNED":            {Kind: row.Int, Precision: 3, MaxInt: 999, Unsigned: true},
		"DOUBLE UNSIGNED":                  {Kind: row.Double, Unsigned: true},
		"VARCHAR(7) CHARACTER SET latin1":  {Kind: row.Text, MaxChars: 7, Charset: "latin1"},
		"VARCHAR(7) CHARACTER SET utf8mb4": {Kind: row.Text, MaxChars: 7, MaxBytes: 28},
		"TINYTEXT CHARACTER SET utf8mb4":   {Kind: row.Text, MaxChars: 255, MaxBytes: 255},
		"VARCHAR(7) CHARACTER SET ascii":   {Kind: row.Text, MaxChars: 7, Charset: "ascii"},
		"VARBINARY(7)":                     {Kind: row.Bytes, MaxBytes: 7},
		"ENUM('a')":                        {Kind: row.Text, Name: "must be VARCHAR"},
		"SET('a')":                         {Kind: row.Text, Name: "must be VARCHAR"},
		"YEAR":                             {Kind: row.Int, Name: "must be BIGINT"},
		"BIT(8)":                           {Kind: row.Int, Name: "must be BIGINT"},
		"FLOAT":                            {Kind: row.Double, Name: "must be DOUBLE"},
		"DOUBLE(5,2)":                      {Kind: row.Double, Name: "must be DOUBLE"},
		"DATE":                             {Kind: row.Datetime, Name: "must be DATETIME"},
		"TIME(6)":                          {Kind: row.Datetime, Name: "must be DATETIME"},
	} {
		t.Run(ddl, func(t *testing.T) {
			t.Parallel()
			f := open(t, server)
			f.Exec(t, "CREATE TABLE target (k BIGINT PRIMARY KEY, v "+ddl+")")
			refusal := want.Name
			want.Name, want.Merge, want.Nullable = "v", row.Last, true
			asked := row.Column{Name: "v", Kind: want.Kind, Merge: row.Last, Nullable: true, Scale: want.Scale}
			table := row.Table{Name: "target", Grouped: true, Keys: 1, Columns: []row.Column{key, asked}}
			if refusal != "" {
				if found := refusals(f.check(t, "target", table)); !strings.Contains(fmt.Sprint(found), refusal) {
					t.Errorf("got refusals %v, expected %q", found, refusal)
				}
				return
			}
			got := f.accepted(t, table)
			if server := f.Version(t); want.Kind == row.Datetime && want.MinInt > 0 && server.Dialect == pool.MariaDB && server.AtLeast(11, 5) {
				want.MaxInt = last2106
			}
			if got[0].Columns[1] != want {
				t.Errorf("column is %+v, expected %+v", got[0].Columns[1], want)
			}
		})
	}
}

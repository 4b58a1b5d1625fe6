package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Naming describes how the server compares names of tables. With lower_case_table_names 1 or 2, Counts and counts are
// one table. A name with the schema that etl is connected to is the same as the name without a schema.
type Naming struct {
	setting  string // lower_case_table_names
	folds    bool   // case is ignored
	database string // the schema that etl is connected to, folded
}

// readNaming reads the server's settings.
func readNaming(ctx context.Context, tx *pool.Tx) (n Naming, err error) {
	if tx.Server.Dialect == pool.Embedded {
		return Naming{setting: "1", folds: true}, nil // regardless of its variable, because it has one database
	}
	err = tx.Query(ctx, "SELECT CAST(@@lower_case_table_names AS CHAR), COALESCE(DATABASE(), '')", func(scan func(...any) error) error {
		return scan(&n.setting, &n.database)
	})
	n.folds = n.setting != "0"
	n.database = n.fold(n.database)
	return n, err
}

func (n Naming) fold(name string) string {
	if n.folds {
		return strings.ToLower(name)
	}
	return name
}

// Key returns the same text for all names of one table. It is what etl_target stores.
func (n Naming) Key(t *row.Table) string {
	if schema := n.fold(t.Schema); schema != "" && schema != n.database {
		return schema + "." + n.fold(t.Name)
	}
	return n.fold(t.Name)
}

// IsStored reports whether a table_name of etl_target names the table. Earlier releases stored the name as it was
// written in the query.
func (n Naming) IsStored(t *row.Table, stored string) bool {
	key := n.Key(t)
	stored = n.fold(stored)
	return stored == key || key == n.fold(t.Name) && stored == n.database+"."+key
}

// twice finds targets that are one table under two names. Their rows would not be written in one pass.
func (n Naming) twice(want []row.Table) (out []Finding) {
	want = slices.Clone(want)
	for i := range want {
		if want[i].View != nil {
			want = append(want, want[i].Shown())
		}
	}
	for i := range want {
		key := n.Key(&want[i])
		if at := slices.IndexFunc(want[:i], func(t row.Table) bool { return n.Key(&t) == key }); at >= 0 {
			out = append(out, Finding{
				Subject: want[i].FullName(),
				Seen: fmt.Sprintf("it is the same table as %s on this server (database %s, lower_case_table_names %s)",
					want[at].FullName(), n.database, n.setting),
				Do: "use the same name for the table in all statements",
			})
		}
	}
	return out
}

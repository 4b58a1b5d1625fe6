package schema

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/mysqlout/internal/sqltext"
	"github.com/sluice-etl/sluice/pool"
	"github.com/sluice-etl/sluice/row"
)

// Clients read some tables through a view, which the server computes from the rows whenever it is read. It is created
// and compared like a table, but nothing is written to it.

// createView returns the CREATE VIEW of a table. The view has the rights of the user that reads it, so it does not
// depend on the one that created it. With replace, it takes the place of another view.
func createView(t *row.Table, replace bool) string {
	shown := t.Shown()
	create := "CREATE "
	if replace {
		create = "CREATE OR REPLACE "
	}
	return create + "SQL SECURITY INVOKER VIEW " + string(sqltext.AppendTableName(nil, &shown)) + " AS " + t.View.SQL
}

// leastSort is the least max_sort_length with which a server sorts the longest texts that are keys of sessions.
const leastSort = 1024

// lacksWindows reports whether the view of a table needs window functions, which the server does not have.
func lacksWindows(s pool.Server, t *row.Table) bool {
	return t.View.Windows && s.Dialect == pool.MySQL && s.Version != "" && !s.AtLeast(8, 0)
}

// checkView compares the view of a table with the one that the query needs. definition is its text, as Definition reads
// it, "" if there is no view or it is not compared.
func checkView(ctx context.Context, tx *pool.Tx, t *row.Table) (definition string, out []Finding, err error) {
	shown := t.Shown()
	name := shown.FullName()
	refuse := func(do, seen string, args ...any) (string, []Finding, error) {
		return "", []Finding{{Subject: name, Seen: fmt.Sprintf(seen, args...), Do: do}}, nil
	}
	if tx.Server.Dialect == pool.Embedded {
		return refuse("leave HAVING, SESSION and the outer SELECT out of the query, and write them when you select, or use a MySQL or MariaDB server",
			"the embedded database is not compared with views")
	}
	if lacksWindows(tx.Server, t) {
		return refuse("use MySQL 8.0 or later, or MariaDB", "it must be a view with window functions, because the query has SESSION, but the server is %v, which has none", tx.Server)
	}
	if t.View.Windows {
		v, err := variables(ctx, tx, "max_sort_length")
		if err != nil {
			return "", nil, err
		}
		if n, err := strconv.Atoi(v["max_sort_length"]); err == nil && n < leastSort {
			return refuse(fmt.Sprintf("set it to %d, the default, or more", leastSort),
				"max_sort_length is %d, so the server would mix the sessions of keys that begin with the same %d bytes", n, n)
		}
	}
	f, err := inspect(ctx, tx, &shown)
	switch {
	case err != nil:
		return "", nil, err
	case f.engine == "":
		return refuse(createIt, noTable)
	case f.kind != "VIEW":
		return refuse("rename it, or let the query write to another name", "it is a table, must be a view of %s, because the query has HAVING, SESSION or an outer SELECT", t.FullName())
	}
	if definition, err = Definition(ctx, tx, &shown); err != nil {
		return "", nil, err
	}
	var body, database string
	err = tx.Query(ctx, "SELECT view_definition, table_schema FROM information_schema.views"+whereTable(&shown, "table_schema", "table_name"),
		func(scan func(...any) error) error { return scan(&body, &database) })
	if err != nil {
		return "", nil, err
	}
	again, err := Definition(ctx, tx, &shown)
	switch {
	case err != nil:
		return "", nil, err
	case again != definition:
		return "", nil, &checkpoint.Error{Class: checkpoint.ErrRetry, Err: fmt.Errorf("view %s was altered during the check", name)}
	case !t.View.IsSame(strings.TrimSpace(body), database):
		do := createView(t, true)
		if t.View.Windows { // the rows may be parts of other sessions, which no check can see
			do = "run this if the time and the key of the sessions are the same as before, or else empty " + t.FullName() +
				" and read the records again, or write to another table: " + do
		}
		return refuse(do, "it is the view %s, must be that of the query, %s", body, t.View.SQL)
	}
	return definition, nil, nil
}

package mysqlout

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/mysqlout/schema"
	"github.com/sluice-etl/sluice/pool"
)

var (
	nopadColumn = regexp.MustCompile(`VARCHAR\((\d+)\)(?: CHARACTER SET utf8mb4)? COLLATE utf8mb4_nopad_bin`)
	nopadText   = regexp.MustCompile(`\b(TINY|MEDIUM|LONG|)TEXT(?: CHARACTER SET utf8mb4)? COLLATE utf8mb4_nopad_bin`)
)

// adapt converts a statement that is written for MariaDB to the dialect of another server, because not every server has
// MariaDB's binary NO PAD collation.
func adapt(s pool.Server, text string) string {
	if s.Dialect == pool.MariaDB {
		return text
	}
	text = nopadColumn.ReplaceAllStringFunc(text, func(typ string) string {
		n, _ := strconv.Atoi(nopadColumn.FindStringSubmatch(typ)[1])
		return schema.BinaryText(s, n)
	})
	text = nopadText.ReplaceAllStringFunc(text, func(typ string) string {
		return schema.SizedText(s, nopadText.FindStringSubmatch(typ)[1])
	})
	if s.AtLeast(8, 0) {
		return strings.ReplaceAll(text, "utf8mb4_nopad_bin", "utf8mb4_0900_bin")
	}
	return strings.ReplaceAll(text, "utf8mb4_nopad_bin", "utf8mb4_bin")
}

// serverOf returns the server at the other end of the pool.
func serverOf(t testing.TB, p *pool.Pool) pool.Server {
	t.Helper()
	tx, err := p.Tx(t.Context(), pool.PriorityHigh)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	return tx.Server
}

// refusedByCheck returns the error number of a row that a CHECK rejects; empty if the server parses CHECK but does not
// enforce it.
func refusedByCheck(s pool.Server) string {
	switch {
	case s.Dialect == pool.MariaDB:
		return "4025"
	case s.AtLeast(8, 0):
		return "3819"
	}
	return ""
}

// refuseBad makes the table counts reject the item bad, which is the row's own fault.
func refuseBad(s pool.Server) string {
	if refusedByCheck(s) != "" {
		return "ALTER TABLE counts ADD CHECK (item <> 'bad')"
	}
	return "CREATE TRIGGER refuse BEFORE INSERT ON counts FOR EACH ROW IF NEW.item = 'bad' THEN " +
		"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 3819, MESSAGE_TEXT = 'item is bad'; END IF"
}

func TestAdapt(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE a (b VARCHAR(3) COLLATE utf8mb4_nopad_bin NULL, c CHAR(2) COLLATE utf8mb4_nopad_bin, " +
		"d VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, e TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)"
	for server, want := range map[pool.Server]string{
		{Dialect: pool.MariaDB, Version: "11.8.6-MariaDB", Major: 11}: text,
		{Version: "8.4.8", Major: 8, Minor: 4}:                        "CREATE TABLE a (b VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NULL, c CHAR(2) COLLATE utf8mb4_0900_bin, d VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, e TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin)",
		{Version: "5.7.44", Major: 5, Minor: 7}:                       "CREATE TABLE a (b VARBINARY(12) NULL, c CHAR(2) COLLATE utf8mb4_bin, d VARBINARY(12), e BLOB)",
	} {
		if got := adapt(server, text); got != want {
			t.Errorf("%v:\ngot      %s\nexpected %s", server, got, want)
		}
	}
}

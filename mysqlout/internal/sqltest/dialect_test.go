package sqltest

import (
	"testing"

	"github.com/sluice-etl/sluice/pool"
)

func TestAdapt(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE a (b VARCHAR(3) COLLATE utf8mb4_nopad_bin NULL, c CHAR(2) COLLATE utf8mb4_nopad_bin, " +
		"d VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, e TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)"
	for server, want := range map[pool.Server]string{
		{Dialect: pool.MariaDB, Version: "11.8.6-MariaDB", Major: 11}: text,
		{Version: "8.4.8", Major: 8, Minor: 4}:                        "CREATE TABLE a (b VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NULL, c CHAR(2) COLLATE utf8mb4_0900_bin, d VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin, e TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin)",
		{Version: "5.7.44", Major: 5, Minor: 7}:                       "CREATE TABLE a (b VARBINARY(12) NULL, c CHAR(2) COLLATE utf8mb4_bin, d VARBINARY(12), e BLOB)",
	} {
		if got := Adapt(server, text); got != want {
			t.Errorf("%v:\ngot      %s\nexpected %s", server, got, want)
		}
	}
}

package sqltest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-etl/sluice/pool"
)

var (
	nopadColumn = regexp.MustCompile(`VARCHAR\((\d+)\)(?: CHARACTER SET utf8mb4)? COLLATE utf8mb4_nopad_bin`)
	nopadText   = regexp.MustCompile(`\b(TINY|MEDIUM|LONG|)TEXT(?: CHARACTER SET utf8mb4)? COLLATE utf8mb4_nopad_bin`)
)

// Adapt converts a statement that is written for MariaDB to the dialect of another server, because not every server has
// MariaDB's binary NO PAD collation.
func Adapt(s pool.Server, text string) string {
	switch {
	case s.Dialect == pool.MariaDB:
		return text
	case s.Dialect == pool.MySQL && !s.AtLeast(8, 0):
		text = nopadColumn.ReplaceAllStringFunc(text, func(typ string) string {
			n, _ := strconv.Atoi(nopadColumn.FindStringSubmatch(typ)[1])
			return fmt.Sprintf("VARBINARY(%d)", 4*n)
		})
		text = nopadText.ReplaceAllString(text, "${1}BLOB")
		return strings.ReplaceAll(text, "utf8mb4_nopad_bin", "utf8mb4_bin")
	}
	const collation = " CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin"
	text = nopadColumn.ReplaceAllString(text, "VARCHAR(${1})"+collation)
	text = nopadText.ReplaceAllString(text, "${1}TEXT"+collation)
	return strings.ReplaceAll(text, "utf8mb4_nopad_bin", "utf8mb4_0900_bin")
}

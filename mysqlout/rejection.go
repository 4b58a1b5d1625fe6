package mysqlout

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-etl/sluice/mysqlout/internal/sqlerr"
	"github.com/sluice-etl/sluice/row"
)

// kinds are short descriptions of the errors that reject a row, for the reason of a dead letter.
var kinds = map[uint16]string{
	1048: "a column cannot be NULL",
	1105: "the embedded server's only number",
	1118: "the row is too long", 1713: "the row is too long",
	1216: "no parent row", 1452: "no parent row",
	1264: "out of range", 1690: "out of range",
	1265: "truncated",
	1292: "incorrect value", 1366: "incorrect value", 1367: "incorrect value", 1411: "incorrect value",
	1300: "not in the character set", 3854: "not in the character set",
	1365: "division by 0 in a generated column or a trigger",
	1406: "too long",
	1441: "a time is out of range in a generated column or a trigger",
	1526: "no partition for the row", 1591: "no partition for the row", 1748: "no partition for the row",
	1644: "a trigger's SIGNAL",
	3140: "invalid JSON", 3141: "invalid JSON", 3156: "invalid JSON", 3157: "invalid JSON",
	3751: "too long for a functional index", 3752: "too long for a functional index", 3903: "invalid JSON",
	3819: "CHECK constraint", 4025: "CHECK constraint",
}

// rejection returns the reason of a dead letter whose row the server rejected with this error. It is the same text for
// all rows that are rejected for the same cause. The server's own text quotes values, and that of a trigger may contain
// anything, so only the name of a column that the table has is taken from it.
func rejection(t *row.Table, answer error) string {
	n := sqlerr.Number(answer)
	kind := kinds[n]
	if kind == "" { // a trigger chose the number
		n, kind = 1644, kinds[1644]
	}
	text := fmt.Sprintf("MySQL rejects the row: error %d (%s)", n, kind)
	if c := namedColumn(t, answer); c != "" {
		text += ", column " + c
	}
	return text
}

// atColumn finds the column at the end of the server's text.
var atColumn = regexp.MustCompile("[Cc]olumn (?:[`'][^`']*[`']\\.)*[`']([^`']+)[`'](?: at row \\d+| cannot be null)?$")

// namedColumn returns the column of the table that the server's text ends with, empty if it names none.
func namedColumn(t *row.Table, answer error) string {
	m := atColumn.FindStringSubmatch(answer.Error())
	if m == nil {
		return ""
	}
	for _, name := range storedColumns(t, func(*row.Column) bool { return true }) {
		if strings.EqualFold(name, m[1]) {
			return name
		}
	}
	return ""
}

package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/query/funcs"
	"github.com/sluice-etl/sluice/row"
)

// The error for a call with wrong arguments shows the function's signature and an example, and the example is valid.
func TestFunctions_examplesCompile(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.Format = "combined"
	for _, f := range funcs.Library().Functions {
		args := ""
		if !f.Variadic {
			args = strings.Repeat("host, ", len(f.Params)) + "host"
		}
		wrong := "INSERT INTO t SELECT " + f.Name + "(" + args + ") AS x FROM events"
		want := "; expected " + f.Signature() + ", such as " + f.Call()
		if _, err := Compile(wrong, o); f.Syntax == "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s\n  got       %v\n  expected  an error that ends in %q", wrong, err, want)
		}
		right := "INSERT INTO t SELECT " + f.Call() + " AS x FROM events"
		if _, err := Compile(right, o); err != nil {
			t.Errorf("%s\n  got       %v\n  expected  that the example of %s is valid", right, err, f.Name)
		}
	}
}

// The type of a function's result decides the column that is created for it.
func TestFunctions_columns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, item, want string }{
		{"combined", "ABS(status)", "int"},
		{"combined", "ABS(bytes)", "int nullable"},
		{"combined", "ABS(CAST(host AS DECIMAL(9,2)))", "decimal 9,2"},
		{"combined", "SIGN(bytes / 3)", "int nullable"},
		{"combined", "CEIL(status / 3)", "int"},
		{"combined", "FLOOR(CAST(host AS DOUBLE))", "double"},
		{"combined", "ROUND(status, 2)", "int"},
		{"combined", "ROUND(CAST(host AS DECIMAL(9,4)), 2)", "decimal 8,2"},
		{"combined", "ROUND(CAST(host AS DECIMAL(9,4)), -2)", "decimal 6,0"},
		{"json", "ROUND(a, 2)", "decimal 38,2 nullable"},
		{"json", "CEIL(a)", "int nullable"},
		{"combined", "GREATEST(status, 2.5)", "decimal 38,1"},
		{"combined", "GREATEST(status, bytes)", "int nullable"},
		{"combined", "LEAST(host, 'abc')", "text 0"},
		{"combined", "LEFT(host, 5)", "text 5"},
		{"combined", "LEFT(host, bytes)", "text 0 nullable"},
		{"combined", "RIGHT(LEFT(host, 5), status)", "text 5"},
		{"combined", "SUBSTRING(host, 2)", "text 0"},
		{"combined", "SUBSTRING(LEFT(host, 20), 2)", "text 20"},
		{"combined", "SUBSTRING(host, status, 7)", "text 7"},
		{"combined", "TRIM(TRAILING '/' FROM LEFT(path, 9))", "text 9"},
		{"combined", "LPAD(status, 5, '0')", "text 5"},
		{"combined", "REPEAT('ab', 3)", "text 6"},
		{"combined", "REPEAT(LEFT(host, 4), 3)", "text 12"},
		{"combined", "REPEAT(host, 3)", "text 0"},
		{"combined", "CONCAT_WS(', ', LEFT(host, 4), LEFT(path, 3), LEFT(agent, 2))", "text 13"},
		{"combined", "CONCAT_WS(', ', host, path)", "text 0"},
		{"combined", "CONCAT_WS(', ', 'a', header('b'))", "text 0"},
		{"combined", "REPLACE(LEFT(host, 4), '.', '-')", "text 0"},
		{"combined", "REVERSE(LEFT(host, 4))", "text 4"},
		{"combined", "LOCATE('a', host)", "int"},
		{"combined", "LOWER(LEFT(host, 4))", "text 4"},
		{"combined", "HEX(LEFT(host, 4))", "text 32"},
		{"combined", "HEX(bytes)", "text 16 nullable"},
		{"combined", "UNHEX(LEFT(host, 4))", "text 4 nullable"},
		{"combined", "TO_BASE64(host)", "text 0"},
		{"combined", "FROM_BASE64(host)", "text 0 nullable"},
		{"combined", "MD5(host)", "text 32"},
		{"combined", "SHA1(host)", "text 40"},
		{"combined", "SHA2(host, 512)", "text 128"},
		{"combined", "CRC32(host)", "int"},
		{"combined", "FIND_IN_SET(header('a'), 'b')", "int nullable"},
		{"combined", "FIELD(header('a'), 'b')", "int"},
	} {
		tab := plan(t, c.format, "INSERT INTO t SELECT "+c.item+" AS x FROM events").Tables()[0]
		col := tab.Columns[len(tab.Columns)-1]
		got := map[row.Kind]string{row.Int: "int", row.Double: "double", row.Decimal: fmt.Sprintf("decimal %d,%d", col.Precision, col.Scale), row.Text: fmt.Sprintf("text %d", col.MaxChars), row.Datetime: fmt.Sprintf("time %d", col.Scale)}[col.Kind]
		if col.Nullable {
			got += " nullable"
		}
		if got != c.want {
			t.Errorf("%s: got a column %s, expected %s", c.item, got, c.want)
		}
	}
}

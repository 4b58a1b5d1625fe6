package format

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/fold/value"
)

func TestCSV_records(t *testing.T) {
	t.Parallel()
	testBodies(t, "csv", "a,b,c", []bodyCase{
		{"a b c", "1,x y,", "1|x y|"},
		{"C A", "1,,3", "3|1"},
		{"a b c", `"a ""b"" c","1,2",""` + "\r\n", `a "b" c|1,2|`},
		{"a b c", `"""","""""",` + "\n" + `"""x",,`, `"|""| // "x||`},
		{"a b c", "\"1\r\n2\",\"\n\",3\n4,5,6", "1\r\n2|\n|3 // 4|5|6"},
		{"a b c", "\xef\xbb\xbf1,2,3\r\n\r\n\n\xef\xbb\xbf4,5,6\r", "1|2|3 // 4|5|6"},
		{"a b c", " 1 ,\t, ", " 1 |\t| "},
		{"a b c", "1\r,2,3\r\r\n", "1\r|2|3\r"},
		{"a", "é\xff,2,3", "é\xff"},
		{"a b c", ",,", "||"},
		{"a", "", "!the line is empty"},
		{"a", "\n\r\n", "!the line is empty"},
		{"a", "1,2", "!csv: expected as many fields as option 'log-format-string' has names, which is 3 (got 2 fields)"},
		{"a", "1,2,3\n1,2,3,4,5\n", "!csv: expected as many fields as option 'log-format-string' has names, which is 3 (got 5 fields)"},
		{"a", " ", "!csv: expected as many fields"},
		{"a", `1,2"x",3`, "!" + expectedNoQuote + " (at byte 4 of 8)"},
		{"a", `1, "2",3`, "!" + expectedNoQuote},
		{"a", `1,"2,3`, "!" + expectedClosing + " (at byte 7 of 6)"},
		{"a", `1,"2""`, "!" + expectedClosing},
		{"a", `1,"2"x,3`, "!" + expectedFieldEnd + " (at byte 6 of 8)"},
		{"a", "1,\"2\"\rx,3", "!" + expectedFieldEnd},
	})
	testBodies(t, "csv", `time; _;"a;b";_`, []bodyCase{{"a;b time", `1;2;"3;4";5`, "3;4|1"}, {"time", "1,2,3,4", "!csv: expected"}})
	testBodies(t, "csv", "a|b", []bodyCase{{"b a", `1,x|"2|"`, "2||1,x"}})
	testBodies(t, "csv", "a\tb", []bodyCase{{"b a", "1\t\"2\t\"", "2\t|1"}})
	testBodies(t, "csv", "a", []bodyCase{{"a", "1;2\n\n \n", "1;2 //  "}})
}

func TestTSV_records(t *testing.T) {
	t.Parallel()
	for _, definition := range []string{"a, b,c", "a\tb\tc"} {
		testBodies(t, "tsv", definition, []bodyCase{
			{"a b c", "1\tx \"y\"\t\\N", `1|x "y"|\N`},
			{"a b c", "\t\t\r\n\xef\xbb\xbf\"\t,\t\"", `|| // "|,|"`},
			{"a", "1\t2", "!tsv: expected as many fields as option 'log-format-string' has names, which is 3 (got 2 fields)"},
			{"a", "1\t2\t3\t", "!tsv: expected"},
		})
	}
}

func TestDelimited_definitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, definition, want string }{
		{"csv", "", "log format csv needs option 'log-format-string': the names of the columns"},
		{"csv", "a,b;c", `got the separators ',' and ';', expected one`},
		{"csv", "a,b\nc,d", "got 2 lines of names, expected one"},
		{"csv", "a,,b", `column 2 has the name "", must have 1 to 64 bytes`},
		{"csv", "a," + strings.Repeat("b", 65), "must have 1 to 64 bytes"},
		{"csv", "host,HOST", "column 2 has the name HOST, which another column has"},
		{"csv", "_topic,a", "must not begin with an underscore"},
		{"csv", "_,_", "it has no column"},
		{"csv", `a,"b`, "cannot read the definition of csv"},
		{"tsv", "a\tb\ta", "which another column has"},
	} {
		if _, err := New(c.format, c.definition); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: got %v, expected %s", c.format, c.definition, err, c.want)
		}
	}
}

// The records are those of encoding/csv, but for CRLF within quotes, which that makes LF.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"1,2\n3,4", `"a ""b""","c` + "\r\n" + `d"`, `a"b,c`, "\"a\"\r", "\r\r\n", `"a`, "a\r,\"b\"", `"a"x,`, ",\n\n,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, value.ByteOrderMark) {
			return
		}
		c := csv.NewReader(strings.NewReader(body))
		c.FieldsPerRecord = 2
		want, wantErr := c.ReadAll()
		rows, err := newReader(t, "csv", "a,b", "a", "b").read([]byte(body))
		if err != nil && wantErr == nil && len(want) == 0 {
			return // no record
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got the error %v, expected %v", body, err, wantErr)
		}
		for i := range rows {
			for j := range rows[i] {
				rows[i][j] = strings.ReplaceAll(rows[i][j], "\r\n", "\n")
			}
		}
		if d := difference(rows, want); d != "" && err == nil {
			t.Fatalf("%q: %s", body, d)
		}
	})
}

func FuzzTSV(f *testing.F) {
	for _, s := range []string{"1\t2", "\t", "1\t2\t3", "\"\t\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\r\n") || strings.Contains(line, value.ByteOrderMark) {
			return
		}
		want := strings.Split(line, "\t")
		rows, err := newReader(t, "tsv", "a,b", "a", "b").read([]byte(line))
		if (err == nil) != (len(want) == 2) {
			t.Fatalf("%q: got the error %v for %d fields", line, err, len(want))
		}
		if d := difference(rows, [][]string{want}); d != "" && err == nil {
			t.Fatalf("%q: %s", line, d)
		}
	})
}

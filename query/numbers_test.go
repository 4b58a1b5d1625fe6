package query

import (
	"encoding/json"
	"strings"
	"testing"
)

// A text is a number only in SQL's syntax: Go's own syntax, and text after a number, make dead letters.
func TestCast_nonNumericText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1_000", "0x1p4", "0x10", "0b1", "0o7", "1p4", "inf", "-inf", "+Infinity", "nan", "NaN", "1e", "1e+", "1e1_0", "e5", ".", "-", "", " ", "1 2", "--1", "+-1",
		"1,5", "1e5.5", "1f", "\u0661", "1\u00a0", "1\x00",
	} {
		for _, typ := range []string{"DOUBLE", "DECIMAL(20,3)", "SIGNED", "UNSIGNED"} {
			got, fault := evaluate(t, "raw", "CAST(body AS "+typ+")", text)
			if !strings.Contains(fault, "is not a number") {
				t.Errorf("CAST(%q AS %s) = %q %q, expected a dead letter", text, typ, got, fault)
			}
		}
	}
	for _, text := range []string{"1e309", "-1e309", strings.Repeat("9", 400)} {
		if got, fault := evaluate(t, "raw", "CAST(body AS DOUBLE)", text); !strings.Contains(fault, "is not a number in the range of a DOUBLE") {
			t.Errorf("CAST(%q AS DOUBLE) = %q %q, expected a dead letter", text, got, fault)
		}
	}
}

func TestCast_jsonToDouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ json, want, fault string }{
		{"true", "1", ""}, {"false", "0", ""}, {"null", "NULL", ""}, {"1.5", "1.5", ""}, {`"1.5"`, "1.5", ""}, {"1e-35", "1e-35", ""},
		{`"true"`, "", "is not a number"}, {`"1_000"`, "", "is not a number"}, {"[1]", "", "is not a number"}, {"{}", "", "is not a number"}, {`"nan"`, "", "is not a number"}, {"1e999", "", "is not a number"},
	} {
		got, fault := evaluate(t, "json", "CAST(x AS DOUBLE)", `{"x":`+c.json+`}`)
		if got != c.want || !strings.Contains(fault, c.fault) || c.fault == "" && fault != "" {
			t.Errorf("CAST(%s AS DOUBLE) = %q %q, expected %q %q", c.json, got, fault, c.want, c.fault)
		}
	}
}

// A DOUBLE with an integer value becomes that integer, with all of its digits; a value outside the type's range is a
// dead letter.
func TestCast_doubleToInteger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, want string }{
		{"CAST(CAST(body AS DOUBLE) AS SIGNED)", "67106846074035032"},
		{"CAST(CAST(CONCAT('-', body) AS DOUBLE) AS SIGNED)", "-67106846074035032"},
		{"CAST(CAST(CONCAT(body, 'e1') AS DOUBLE) AS SIGNED)", "671068460740350336"},
		{"CAST(CAST('18446744073709551615' AS DOUBLE) AS UNSIGNED)", "is out of range"},
		{"CAST(CAST('9223372036854775807' AS DOUBLE) AS SIGNED)", "is out of range"},
		{"CAST(CAST('-9223372036854775808' AS DOUBLE) AS SIGNED)", "-9223372036854775808"},
		{"CAST(CAST('1e300' AS DOUBLE) AS SIGNED)", "is out of range"},
		{"CAST(CAST('-1' AS DOUBLE) AS UNSIGNED)", "is out of range"},
	} {
		o := DefaultOptions()
		o.Format = "raw"
		got, fault := "", ""
		if _, err := Compile("INSERT INTO t SELECT "+c.expr+" AS x FROM events", o); err != nil {
			fault = err.Error() // an error that does not depend on the record is found at start
		} else {
			got, fault = evaluate(t, "raw", c.expr, "67106846074035034")
		}
		if got != c.want && !strings.Contains(fault, c.want) || got == "" && fault == "" {
			t.Errorf("%s = %q %q, expected %q", c.expr, got, fault, c.want)
		}
	}
}

// A text is an integer only without a point and an exponent, as in MySQL, which truncates all others with a warning.
func TestCast_textToInteger(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"12.5", "12.0", "12.", "1e2", "1E2", "1e0", ".5", "0e0", "-1.0"} {
		for _, typ := range []string{"SIGNED", "UNSIGNED"} {
			if got, fault := evaluate(t, "raw", "CAST(body AS "+typ+")", text); !strings.Contains(fault, "is not a number") {
				t.Errorf("CAST(%q AS %s) = %q %q, expected a dead letter", text, typ, got, fault)
			}
		}
	}
	for text, want := range map[string]string{" 12 ": "12", "+7": "7", "-0": "0", "00012": "12", "\t-5\n": "-5"} {
		if got, fault := evaluate(t, "raw", "CAST(body AS SIGNED)", text); got != want || fault != "" {
			t.Errorf("CAST(%q AS SIGNED) = %q %q, expected %s", text, got, fault, want)
		}
	}
	// Numbers of JSON are numbers, and are rounded.
	for text, want := range map[string]string{"1e2": "100", "12.5": "13", "-2.5": "-3", "12.0": "12"} {
		if got, fault := evaluate(t, "json", "CAST(x AS SIGNED)", `{"x":`+text+`}`); got != want || fault != "" {
			t.Errorf("CAST(x AS SIGNED) of %s = %q %q, expected %s", text, got, fault, want)
		}
	}
}

// Times before 1970 are rejected, even by a fraction of a second.
func TestFromUnixtime_negative(t *testing.T) {
	t.Parallel()
	for _, x := range []string{"-1", "-0.0000001", "-0.9999999", "-1e-7"} {
		if got, fault := evaluate(t, "json", "FROM_UNIXTIME(x)", `{"x":`+x+`}`); !strings.Contains(fault, "expected seconds since 1970") {
			t.Errorf("FROM_UNIXTIME(%s) = %q %q, expected a dead letter", x, got, fault)
		}
	}
	if got, fault := evaluate(t, "json", "FROM_UNIXTIME(x)", `{"x":-0}`); got != "1970-01-01 00:00:00.000000" || fault != "" {
		t.Errorf("FROM_UNIXTIME(-0) = %q %q; expected %q and an empty text", got, fault, "1970-01-01 00:00:00.000000")
	}
}

// Objects and texts that are read as JSON are valid JSON, whatever characters they contain.
func TestJSONText_isJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, body, want string }{
		{"x->'$'", `{"x":"\u0000\u0001\u001f\t\n\r\b\f\"\\\/"}`, `"\u0000\u0001\u001f\t\n\r\b\f\"\\/"`},
		{"x->'$'", `{"x":"\u007f\ufeff\u0080\udbff\udfff"}`, "\"\u007f\ufeff\u0080\U0010ffff\""},
		{"CONCAT(x)", `{"x": {"a\u0000" : [1.50, 1e2, true, null, "\u0041"], "": {}}}`, `{"a\u0000":[1.50,1e2,true,null,"A"],"":{}}`},
		{"x->>'$.a'", `{"x": {"\u0061": ["\u0007"], "b": 1}}`, `["\u0007"]`},
	} {
		got := evaluateEach(t, "json", c.expr, []string{c.body})[0]
		if got.text != c.want || got.rejected != "" || !json.Valid([]byte(got.text)) {
			t.Errorf("%s of %s = %q %s, expected %q", c.expr, c.body, got.text, got.rejected, c.want)
		}
	}
}

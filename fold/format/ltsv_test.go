package format

import (
	"regexp"
	"strings"
	"testing"
)

func TestLTSV_lines(t *testing.T) {
	t.Parallel()
	testBodies(t, "ltsv", "", []bodyCase{
		{"host time missing", "host:192.0.2.1\ttime:[17/May/2015:10:05:03 +0000]", "192.0.2.1|[17/May/2015:10:05:03 +0000]|NULL"},
		{"a b", "a:\tb: x ", "| x "},
		{"a", "a:1\ta:2", "1"},
		{"a", "b:2\nb:3\ta:1\r\n\n", "NULL // 1"},
		{"a.b a-b", "a.b:1\ta-b:2", "1|2"},
		{"a", "a:é \xff\"'", "é \xff\"'"},
		{"a", "", "!the line is empty"},
		{"a", "a:1\t", "!" + expectedLabel + " (at byte 5 of 4)"},
		{"a", "a:1\t\tb:2", "!" + expectedLabel + " (at byte 5 of 8)"},
		{"a", "a", "!" + expectedLabel},
		{"a", ":1", "!" + expectedLabel},
		{"a", "a b:1", "!" + expectedLabel},
		{"a", "a:1\n{\"a\":1}", "!" + expectedLabel},
		{"a", "a:1 b:2", "1 b:2"},
	})
}

var referenceField = regexp.MustCompile(`^([0-9A-Za-z_.-]+):((?s:.)*)$`)

func FuzzLTSV(f *testing.F) {
	for _, s := range []string{"a:1\tb:2\ta:3", "a:", "a:1\t", "a:b:c\tx", "\xff:1", "a:\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		want, ok := map[string]string{}, true
		for field := range strings.SplitSeq(line, "\t") {
			m := referenceField.FindStringSubmatch(field)
			if m == nil {
				ok = false
				break
			}
			if _, twice := want[m[1]]; !twice {
				want[m[1]] = m[2]
			}
		}
		names := []string{"a", "b"}
		for name := range want {
			names = append(names, name)
		}
		r := newReader(t, "ltsv", "", names...)
		err := r.parser.(*lineParser).line(&r.fields, []byte(line))
		if (err == nil) != ok {
			t.Fatalf("%q: got the error %v, expected one: %v", line, err, !ok)
		}
		for i, name := range names {
			v := r.fields.Values[r.columns[i].Slot]
			if w, has := want[name]; err == nil && (v.Set != has || string(v.Bytes) != w) {
				t.Fatalf("%q: %s is %q (set: %v), expected %q (set: %v)", line, name, v.Bytes, v.Set, w, has)
			}
		}
	})
}

package format

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// scannedPaths are the fields that the tests of the scanner read: one of them is an object in others.
var scannedPaths = [][]string{{"a"}, {"b"}, {"o", "a"}, {"o", "p", "b"}, {"é x"}, {""}}

// scannedAndParsed reads an object with the scanner, and with the tree.
func scannedAndParsed(t testing.TB, body []byte) (scanned bool, fields, want []value.Value, parseErr error) {
	t.Helper()
	f := &jsonFormat{}
	for _, path := range scannedPaths {
		f.Column(path)
	}
	parser, n := f.NewParser()
	p := parser.(*jsonParser)
	if p.scanner == nil {
		t.Fatal("there is no scanner")
	}
	fields, want = make([]value.Value, n), make([]value.Value, n)
	for i := range fields { // values of the record before
		fields[i], want[i] = value.Int(7), value.Int(7)
	}
	scanned = p.scanner.scan(fields, body)
	p.scanner = nil
	parseErr = p.object(&Fields{Values: want}, body)
	return scanned, fields, want, parseErr
}

// What the scanner reads is what the tree has.
func TestJSONScan(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[`, maxScannedDepth) + strings.Repeat(`]`, maxScannedDepth)
	for body, scanned := range map[string]bool{
		`{}`:         true,
		" {\t}\r\n ": true,
		`{"a":"x","b":"","o":{"a":1,"p":{"b":null}},"é x":"ü","":0}`:                  true,
		`{ "a" : true , "b" : false , "c" : [ ] , "d" : [ 1 , {"a":2} , "b" , [[]]]}`: true,
		`{"a":-0,"b":1234567890.0123e+45,"o":{"a":0.5,"p":{"b":-1E-7}}}`:              true,
		`{"a":1,"a":2,"o":{"a":3},"o":{"a":4,"p":{"b":5}}}`:                           true, // the first one counts
		`{"a":null,"a":2}`:                      true,
		`{"o":1,"b":"longer than eight bytes"}`: true,
		`{"a":"x","z":` + deep + `}`:            true,
		`{"a":"x","z":[` + deep + `]}`:          false,
		`{"a":{"b":1}}`:                         false, // the object is the value
		`{"a":[1]}`:                             false,
		`{"o":[{"a":1}]}`:                       false,
		`{"a":"x\n"}`:                           false,
		`{"\u0061":"x"}`:                        false,
		`{"a":"x"}{}`:                           false,
		`{"a":"x"}x`:                            false,
		`{"a":"x"`:                              false,
		`{"a":"x",}`:                            false,
		`{"a":"x" "b":1}`:                       false,
		`{"a" "x"}`:                             false,
		`{a:"x"}`:                               false,
		`{"a":"x`:                               false,
		`{"a`:                                   false,
		`{"a":`:                                 false,
		`{"a":1`:                                false,
		`{"z":[1`:                               false,
		`{"z":[1 2]}`:                           false,
		`{"z":[1,]}`:                            false,
		`{"a":tru}`:                             false,
		`{"a":nan}`:                             false,
		`{"a":01}`:                              false,
		`{"a":+1}`:                              false,
		`{"a":-}`:                               false,
		`{"a":1.}`:                              false,
		`{"a":.5}`:                              false,
		`{"a":1e}`:                              false,
		`{"a":1e+}`:                             false,
		`[]`:                                    false,
		``:                                      false,
		`{"a":"` + strings.Repeat("x", maxValues) + `"}`: false,
	} {
		got, fields, want, err := scannedAndParsed(t, []byte(body))
		if got != scanned {
			t.Errorf("%.80s: scanned is %v, expected %v", body, got, scanned)
		}
		if !got {
			continue
		}
		if diff := cmp.Diff(want, fields); diff != "" || err != nil {
			t.Errorf("%.80s: %v; from the tree (-) to the scanner (+):\n%s", body, err, diff)
		}
	}
}

// Paths into arrays, quoted strings and objects with many fields are read with the tree.
func TestJSONScan_otherFields(t *testing.T) {
	t.Parallel()
	member := func(name string) jsonField { return jsonField{path: jsonpath.Members([]string{name})} }
	cell := member("a")
	cell.path = append(cell.path, jsonpath.Step{IsCell: true})
	quoted := member("a")
	quoted.quoted = true
	var many []jsonField
	for i := range maxScannedFields + 1 {
		many = append(many, member(strings.Repeat("x", i)))
	}
	for name, fields := range map[string][]jsonField{"a cell": {cell}, "a quoted string": {quoted}, "many fields": many} {
		if newJSONScanner(fields) != nil {
			t.Errorf("%s has a scanner, expected none", name)
		}
	}
	if newJSONScanner(many[:maxScannedFields]) == nil {
		t.Errorf("%d fields have no scanner", maxScannedFields)
	}
}

// FuzzJSONScan compares the scanner with the tree. It may give up on any of them (TestJSONScan has those on which it must not).
func FuzzJSONScan(f *testing.F) {
	for _, body := range []string{
		`{"a":"x","b":-1.5e3,"o":{"a":true,"p":{"b":null}}}`, `{"a":1,"a":2}`, `{"z":[1,{"a":[]}],"b":"12345678"}`, `{"a":"\u0061"}`, `{"":false , "é x" : 0}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		scanned, fields, want, err := scannedAndParsed(t, body)
		if !scanned {
			return
		}
		if diff := cmp.Diff(want, fields); diff != "" || err != nil {
			t.Errorf("%q: %v; from the tree (-) to the scanner (+):\n%s", body, err, diff)
		}
	})
}
